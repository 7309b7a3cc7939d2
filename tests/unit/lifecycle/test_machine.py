"""Everything that can happen to a search, in any order: whatever it is, no candidate is lost, scored twice or invented,
and once nothing goes wrong any more the search ends as if nothing ever had.

`MERGESEARCH_EXAMPLES=2000 pytest --hypothesis-profile explore` looks further than every run of the tests does.
"""

import functools
import math
import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import MergeSearchStatus, Phase, Record, RecordState, decode_vector
from mergesearch.contract import EvaluationReport, Exit, Failure, MergeReport, Report, TaskScore, digest
from mergesearch.lifecycle import strategy
from mergesearch.lifecycle.advance import next_due
from mergesearch.lifecycle.outcomes import SCORE_DIGITS
from mergesearch.lifecycle.step import ChildState, Observed
from mergesearch.reasons import Reason
from mergesearch.search import optimizer
from unit.lifecycle import consistency
from unit.lifecycle.world import Bench, End, Process, resource

EXAMPLES = int(os.environ.get("MERGESEARCH_EXAMPLES", "60"))
REASONS = {64: Reason.TASK_UNKNOWN, 65: Reason.NON_FINITE_WEIGHTS, 66: Reason.NO_SPACE}
FAILURES = {
    "non-finite": Failure(reason=Reason.NON_FINITE_WEIGHTS, message="NaN in model.norm"),
    "engine failed": Failure(reason=Reason.ENGINE_FAILED, message="CUDA error", transient=True),
    "samples lost": Failure(reason=Reason.SAMPLES_LOST, message="a file is gone", transient=True),
    "checkpoint changed": Failure(reason=Reason.CHECKPOINT_CHANGED, message="m-0 has changed"),
}
BASELINES = (
    ("Checkpoints", "Uniform", "MergeBest"),
    ("Checkpoints", "Uniform", "MergeBest", "Greedy"),
    ("Checkpoints", "Greedy"),
    ("Uniform",),
    (),
)
ALGORITHMS: tuple[dict[str, Any], ...] = (
    {"cmaes": {"populationSize": 3}},
    {"cmaes": {"populationSize": 4, "parametrization": "Box"}},
    {"random": {"populationSize": 2}},
    {"preset": "Paper"},
)

NUMBERS = {
    "nan": (math.nan, 0),
    "infinite": (math.inf, 0),
    "minus infinity": (-math.inf, -1),
    "nan at last": (math.nan, -1),
}

UNREAD = {
    "unread": {"pointer": True},
    "its pod is gone": {"pointer": False},
    "its pod and its reports are gone": {"pointer": False, "published": False},
}
SPOILT = (*NUMBERS, "fewer", "other order")
FATES = [
    *(f"exit {code}{said}" for code in (0, 64, 65, 66, 75, 137, 143) for said in ("", " said")),
    *SPOILT,
    *FAILURES,
    *("unread", "its pod is gone", "its pod and its reports are gone"),
    *("reports", "vanishes", "disrupted", "answers another request", "starts only"),
]
fates = st.one_of(*[st.just("well")] * 5, st.sampled_from(FATES))
futures = st.lists(fates, min_size=2, max_size=6)
pick = st.integers(0, 10**6)
"""Chooses among things whose number is not known before."""
searches = st.fixed_dictionaries(
    {
        "checkpoints": st.integers(2, 3),
        "merge": st.fixed_dictionaries({"skipBelow": st.sampled_from(["0", "0.001", "0.5"])}),
        "storage": st.fixed_dictionaries({"keepBest": st.integers(1, 2), "maxPending": st.integers(1, 4)}),
        "merger": st.fixed_dictionaries({"batch": st.integers(1, 3), "retries": st.integers(0, 2)}),
        "evaluator": st.fixed_dictionaries({"batch": st.integers(1, 3), "retries": st.integers(0, 2)}),
        "search": st.fixed_dictionaries(
            {
                "maxEvaluations": st.integers(1, 10),
                "parallelism": st.integers(1, 3),
                "baselines": st.sampled_from(BASELINES),
                "algorithm": st.sampled_from(ALGORITHMS),
                "confirm": st.fixed_dictionaries(
                    {"finalists": st.integers(1, 3), "baselines": st.sampled_from(["Best", "All"])}
                ),
            }
        ),
    }
)
limits = st.sampled_from(["nothing", "goal", "patience", "maxDuration", "maxGpuHours"])


def history(status: MergeSearchStatus) -> list[tuple[object, ...]]:
    """All that was scored on the search samples, in order."""

    def facts(record: Record) -> tuple[object, ...]:
        return record.id, record.generation, record.x, record.members, record.state, record.scores, record.fitness

    return [facts(record) for record in (*status.baselines, *status.candidates)]


def happening(**drawn: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A rule after which some days go by, so that whatever happens has consequences and searches get far."""

    def with_days(happen: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(happen)
        def rule_of_it(self: "Machine", then: list[str], **values: Any) -> None:
            happen(self, **values)
            self.days_go_by(then)

        return cast("Callable[..., None]", rule(then=futures, **drawn)(rule_of_it))  # type: ignore[no-untyped-call]

    return with_days


class Machine(RuleBasedStateMachine):
    """A bench to which things happen."""

    bench: Bench
    repeated = 0
    """Old reports that came again."""

    @initialize(parts=searches, limit=limits, quiet=st.integers(0, 16))
    def begin(self, parts: dict[str, Any], limit: str, quiet: int) -> None:
        objective: dict[str, Any] = {"goal": "0.85"} if limit == "goal" else {}
        budgets: dict[str, dict[str, Any]] = {
            "patience": {"patience": 1},
            "maxDuration": {"maxDuration": "5m"},
            "maxGpuHours": {"maxGpuHours": "0.05"},
        }
        gpus = {"resources": {"limits": {"example.com/gpu": "1"}}} if limit == "maxGpuHours" else {}
        self.limit = limit
        self.bench = Bench(
            resource(
                parts["checkpoints"],
                merge=parts["merge"],
                storage=parts["storage"],
                objective=objective,
                search=parts["search"] | budgets.get(limit, {}),
                merger=parts["merger"],
                evaluator=parts["evaluator"] | gpus,
            )
        )
        self.first = self.bench.resource
        self.days_go_by(["well"] * quiet)

    # --- Days ---

    def days_go_by(self, fates_of_days: list[str]) -> None:
        """The shell steps, every child meets its fate, and on good days a person mends what is in the way."""
        for day, fate in enumerate(fates_of_days):
            if fate == "well" and self.bench.status.stalled is not None:
                self.bench.retry()
            if fate == "well" and self.bench.resource.spec.suspend:
                self.bench.edit(suspend=False)
            self.bench.step()
            self._look()
            for place, process in enumerate(self._alive()):
                self._meet(process, fates_of_days[(day + place) % len(fates_of_days)])
            self.bench.now = next_due(self.bench.status, self.bench.now) or self.bench.now

    def _alive(self) -> list[Process]:
        processes = self.bench.processes.values()
        return [process for process in processes if process.state is not ChildState.ENDED]

    def _meet(self, process: Process, fate: str) -> None:
        bench = self.bench
        if process.state is ChildState.PENDING:
            process.start(bench.world, bench.now)
            bench.now += timedelta(seconds=1)
        if fate == "well":
            bench.finish(process)
        elif fate in FAILURES:
            bench.finish(process, End(code=0, failure=FAILURES[fate]))
        elif fate in SPOILT and process.answers:
            process.publish(1)
            bench.world.given.remove(process.reports[-1])
            process.reports[-1] = spoilt(process.reports[-1], fate)
        elif fate in ("reports", "disrupted", "answers another request"):
            process.publish(1)
        if fate == "answers another request":
            process.reports = [report.model_copy(update={"request_hash": "f" * 64}) for report in process.reports]
        if fate in UNREAD:
            bench.finish(process)
            process.hide(bench.world, **UNREAD[fate])
        self._end(process, fate)

    def _end(self, process: Process, fate: str) -> None:
        if fate.startswith("exit"):
            _, code, *said = fate.split()
            process.publish(len(said))
            how = Exit(code=int(code), reason=REASONS.get(int(code)), message="something broke") if said else None
            process.end(how or Exit(code=int(code)), self.bench.now)
        elif fate == "vanishes":
            process.end(None, self.bench.now)
        elif fate == "disrupted":
            process.end(Exit(code=143), self.bench.now, disrupted=True)

    # --- The shell ---

    @happening(order=st.randoms(use_true_random=False), hidden=st.none() | pick)
    def children_are_seen_in_any_order_and_not_all(self, order: Any, hidden: int | None) -> None:
        self._decide(order, hidden)
        self.bench.act()

    @happening(order=st.randoms(use_true_random=False))
    def the_shell_dies_before_writing(self, order: Any) -> None:
        """The status is lost; nothing was done yet."""
        before = self.bench.status
        self._decide(order, None)
        self.bench.status = before

    @happening(order=st.randoms(use_true_random=False))
    def the_shell_dies_after_writing(self, order: Any) -> None:
        """The status stands, and no child was made or ended."""
        self._decide(order, None)

    @happening(seconds=st.integers(1, 900))
    def the_machine_is_off_for_a_while(self, seconds: int) -> None:
        """The children go with their shell."""
        self.bench.blind_since = self.bench.now
        self.bench.now += timedelta(seconds=seconds)
        self.bench.processes.clear()

    def _decide(self, order: Any, hidden: int | None) -> None:
        observed = self.bench.observe()
        seen = list(observed.children)
        order.shuffle(seen)
        if hidden is not None and seen:
            del seen[hidden % len(seen)]
        self.bench.status = self.bench.decide(Observed(children=tuple(seen), blind_since=observed.blind_since))
        self._look()

    # --- The children ---

    @happening(choice=pick, fate=fates)
    def something_happens_to_a_single_child(self, choice: int, fate: str) -> None:
        if alive := self._alive():
            self._meet(alive[choice % len(alive)], fate)

    @happening(choice=pick, which=pick)
    def an_old_report_comes_again(self, choice: int, which: int) -> None:
        """Of any child and any time. One that answers the same request is as good as a new one."""
        processes, given = list(self.bench.processes.values()), self.bench.world.given
        # A report of a merge vouches for weights that are there, so it is no good to repeat it without them.
        old = [report for report in given if not isinstance(report, MergeReport)]
        if processes and old:
            processes[choice % len(processes)].reports.append(old[which % len(old)])
            self.repeated += 1

    # --- The person ---

    @happening(choice=pick)
    def a_person_deletes_a_child(self, choice: int) -> None:
        if numbers := list(self.bench.processes):
            del self.bench.processes[numbers[choice % len(numbers)]]

    @happening(choice=pick)
    def a_person_deletes_weights(self, choice: int) -> None:
        if names := sorted(self.bench.world.merges):
            self.bench.world.destroy(names[choice % len(names)])

    @happening(name=st.sampled_from(["m-0", "m-1", "a", "h"]), content=st.sampled_from(["", "changed"]))
    def a_person_changes_a_checkpoint_or_a_task(self, name: str, content: str) -> None:
        """Noticed at the next preflight, which goes on only before anything is scored."""
        if self.bench.status.preflight.tasks:
            self.bench.world.contents[name] = content
            self.bench.retry()

    @happening(policy=st.sampled_from(["Drain", "Now"]))
    def a_person_suspends_the_search(self, policy: str) -> None:
        self.bench.edit(suspend=True, suspend_policy=policy)

    @happening()
    def a_person_asks_for_another_try(self) -> None:
        self.bench.retry()

    @happening(more=st.integers(1, 4))
    def a_person_allows_more_evaluations(self, more: int) -> None:
        self.bench.edit("search", max_evaluations=min(16, self.bench.resource.spec.search.max_evaluations + more))

    @happening(parallelism=st.integers(1, 4), failures=st.integers(0, 8), keep=st.integers(1, 3))
    def a_person_sets_other_limits(self, parallelism: int, failures: int, keep: int) -> None:
        self.bench.edit("search", parallelism=parallelism, max_failures=failures)
        self.bench.edit("storage", keep_best=keep)

    @happening(hours=st.none() | st.sampled_from(["0.01", "0.05", "1"]), minutes=st.none() | st.integers(1, 60))
    def a_person_sets_other_budgets(self, hours: str | None, minutes: int | None) -> None:
        """Only where the search has such a budget, so that the others still end as if nothing had happened."""
        if self.limit == "maxGpuHours":
            self.bench.edit("search", max_gpu_hours=hours)
        if self.limit == "maxDuration":
            self.bench.edit("search", max_duration=f"{minutes}m" if minutes else None)

    @happening(patience=st.none() | st.integers(1, 3))
    def a_person_sets_another_patience(self, patience: int | None) -> None:
        if self.limit == "patience":
            self.limit = "another patience"
        if self.limit == "another patience":
            self.bench.edit("search", patience=patience)

    # --- What holds after every step, besides what the bench checks ---

    def _look(self) -> None:
        self._scores_are_the_worlds()
        self._nothing_is_booked_twice()
        self._a_replay_proposes_the_same()

    def _scores_are_the_worlds(self) -> None:
        given = {
            (report.candidate, tuple(round(score.score, SCORE_DIGITS) for score in report.scores))
            for report in self.bench.world.given
            if isinstance(report, EvaluationReport)
        }
        spec, status, world = self.bench.resource.spec, self.bench.status, self.bench.world
        sources = {record.id: record for record in (*status.baselines, *status.candidates)}
        for split, record in consistency.placed(status):
            if record.state is RecordState.SCORED:
                assert (record.same_as or record.id, record.scores) in given
                tasks = [*spec.objective.tasks, *(spec.held_out.tasks if split == "unseen" else ())]
                weights = strategy.weights(spec, sources[record.id])
                found = (world.landscape(weights, task.name, split) for task in tasks)
                assert record.scores == tuple(round(score, SCORE_DIGITS) for score in found)

    def _nothing_is_booked_twice(self) -> None:
        cost, world = self.bench.status.cost, self.bench.world
        assert cost.prompt_tokens <= world.tokens[0] * (world.evaluated + self.repeated)
        assert math.isclose(sum(cost.gpu_seconds_by_stage.values()), cost.gpu_seconds, abs_tol=0.01)
        for record in consistency.everything(self.bench.status):
            assert record.state is not RecordState.SCORED or record.prompt_tokens == (0 if record.same_as else 100)

    def _a_replay_proposes_the_same(self) -> None:
        spec, status = self.bench.resource.spec, self.bench.status
        # Only the last generation: those before it have been looked at when they were the last.
        if status.algorithm is None:
            return
        plan = strategy.build(spec, status, status.algorithm)
        told = strategy.told(status, status.algorithm.population_size)
        *before, last = strategy.generations(status)
        again = optimizer.ask(plan, told[: len(before)], range(len(last)))
        assert [decode_vector(record.x or "") for record in last] == again
        assert not status.diverged

    def teardown(self) -> None:
        """Everything is mended and left to run: the search comes to rest, and as it would have without all this."""
        if not hasattr(self, "bench"):
            return
        bench = self.bench
        bench.edit("search", max_failures=500)
        bench.edit(suspend=False)
        for task in bench.status.preflight.tasks:
            # Back to the documents that the scores were taken on.
            known = [leaf.documents for leaf in task.leaves]
            found = [(word, bench.world.leaves(task.name, word)) for word in ("", "changed")]
            bench.world.contents[task.name] = next(w for w, f in found if [leaf.documents for leaf in f] == known)
        for source, former in zip(bench.resource.spec.checkpoints, bench.status.preflight.fingerprints, strict=False):
            words = ("", "changed")
            bench.world.contents[source.name] = next(w for w in words if digest(source.name, w) == former)
        for process in self._alive():
            process.end(None, bench.now)
        for _ in range(12):
            status = bench.rest()
            if status.stalled is None:
                break
            bench.retry()
        assert status.phase in (Phase.COMPLETE, Phase.FAILED), (status.phase, status.stalled)
        assert status.phase is Phase.COMPLETE or self.limit in ("maxDuration", "maxGpuHours")
        self._equals_an_undisturbed_run(bench.resource, status)

    def _equals_an_undisturbed_run(self, disturbed: MergeSearch, status: MergeSearchStatus) -> None:
        records = consistency.everything(status)
        if self.limit not in ("nothing", "patience") or any(r.state is RecordState.FAILED for r in records):
            return
        spec = self.first.spec
        allowed = disturbed.spec.search.max_evaluations
        calm = Bench(
            self.first.model_copy(
                update={
                    "spec": spec.model_copy(
                        update={"search": spec.search.model_copy(update={"max_evaluations": allowed})}
                    )
                }
            )
        )
        undisturbed = calm.rest()
        noise = [record for record in status.baselines if record.id == "noise" and not record.ended]
        if not noise:
            assert history(status) == history(undisturbed)
        assert status.confirmed is not None
        assert undisturbed.confirmed is not None
        if status.rounds == 1:
            assert status.confirmed.id == undisturbed.confirmed.id
            assert status.confirmed.weights == undisturbed.confirmed.weights


def spoilt(report: Report, kind: str) -> Report:
    """A report of the right request that no sound process would write."""
    items = next((name for name in ("scores", "checkpoints", "tasks", "comparisons") if getattr(report, name, ())), "")
    found: tuple[Any, ...] = getattr(report, items, ())
    if not items:
        return report.model_copy(update={"request_hash": "0" * 64})
    if kind == "fewer":
        return report.model_copy(update={items: found[:-1]})
    if kind == "other order":
        return report.model_copy(update={items: found[::-1]})
    value, index = NUMBERS[kind]
    if items == "scores":
        wrong: Any = TaskScore.model_construct(task=found[index].task, score=value, stderr=value, samples=0)
    elif items == "comparisons":
        wrong = found[index].model_copy(update={"gain": value})
    else:
        return report.model_copy(update={items: ()})
    some = [*found]
    some[index] = wrong
    return report.model_copy(update={items: tuple(some), "seconds": value})


TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=12,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
