"""A world for the core: volumes, child processes and a clock that only move when they are told to; no process runs.

`World` is what lies on the volumes and what the tasks would say of a merge; `Bench` is a shell around the core: it
observes, steps, writes and acts, and checks every status that comes out. A test says what goes wrong.
"""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from mergesearch import contract, files
from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import MergeSearchStatus, Record, RecordState, Stage
from mergesearch.contract import (
    CheckpointFacts,
    CleanupReport,
    CleanupRequest,
    CompareReport,
    CompareRequest,
    Comparison,
    EvaluationCandidate,
    EvaluationReport,
    EvaluationRequest,
    Exit,
    Failure,
    LeafFacts,
    MergeCandidate,
    MergeReport,
    MergeRequest,
    PreflightCheckpointsReport,
    PreflightCheckpointsRequest,
    PreflightTasksReport,
    PreflightTasksRequest,
    ReadRequest,
    Report,
    Request,
    Split,
    TaskFacts,
    TaskScore,
    digest,
)
from mergesearch.lifecycle.advance import advance, next_due
from mergesearch.lifecycle.children import Child, children
from mergesearch.lifecycle.step import ChildState, Observed, ObservedChild, Waiting
from mergesearch.reasons import Reason
from unit.lifecycle import consistency

START = datetime(2026, 1, 1, tzinfo=UTC)
Landscape = Callable[[tuple[float, ...], str, Split], float]


def peak(weights: tuple[float, ...], task: str, split: Split) -> float:
    """A landscape whose optimum differs a little by task, and is better than every vertex; unseen samples are a little
    harder.
    """
    shift = sum(task.encode()) % 7 / 20
    ideal = [max(0.1, 1.0 + shift * math.cos(i)) for i in range(len(weights))]
    distance = sum((w - i / sum(ideal)) ** 2 for w, i in zip(weights, ideal, strict=True))
    return max(0.0, 0.9 - distance) * (0.95 if split == "unseen" else 1.0)


@dataclass
class World:
    """What lies on the volumes, and what the tasks would say of a merge."""

    landscape: Landscape = peak
    documents: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Documents in each leaf of a task; 400 in a single leaf where a task is not named."""
    contents: dict[str, str] = field(default_factory=dict)
    """A word for what a checkpoint or task holds; another word is another fingerprint."""
    seconds: tuple[float, float] = (1.0, 10.0)
    """What a merge and an evaluation say that they took."""
    tokens: tuple[int, int] = (100, 50)
    """What an evaluation says that its model has read and written."""
    stderr: float = 0.02
    """Of every score."""
    gains: dict[str, float] = field(default_factory=dict)
    """Of any finalist over a baseline, as the comparison finds it; 0.01 where it is not named."""
    merges: dict[str, tuple[str, tuple[float, ...]]] = field(default_factory=dict)
    """Request hash and weights of every merge on the workspace, by candidate."""
    evaluations: dict[tuple[Split, str], EvaluationReport] = field(default_factory=dict)
    """The scores that lie on the workspace."""
    evaluated: int = 0
    """How often a model was scored."""
    shaky: set[str] = field(default_factory=set)
    """Candidates whose weights may be gone while the core believes that they are there, without a fault of its own."""
    written: list[str] = field(default_factory=list)
    """Candidates whose weights were written; what lies there already is only read again."""
    read: list[MergeRequest] = field(default_factory=list)
    """Requests for which the checkpoints were read."""
    most: int = 0
    """Most merges that ever lay on the workspace at once."""
    lost: list[str] = field(default_factory=list)
    """Candidates whose weights were not there when they were to be scored."""
    given: list[Report] = field(default_factory=list)
    """Every true report that was ever given."""
    published: dict[str, tuple[Report, ...]] = field(default_factory=dict)
    """Reports that lie on the workspace, by file."""

    def remove(self, names: Sequence[str]) -> None:
        """Remove weights, as a merger or a cleanup does before anything else."""
        for name in names:
            self.merges.pop(name, None)

    def destroy(self, name: str) -> None:
        """A person removes weights."""
        self.remove([name])
        self.shaky.add(name)

    def answers(self, request: Request) -> tuple[Callable[[], Report], ...]:
        """One for each report of a child that meets a request well; what it says is decided when it is called."""
        if isinstance(request, MergeRequest):
            return tuple(functools.partial(self._merge, request, candidate) for candidate in request.candidates)
        if isinstance(request, EvaluationRequest):
            return tuple(functools.partial(self._evaluate, request, candidate) for candidate in request.candidates)
        if isinstance(request, ReadRequest):
            found = [report for path in request.paths for report in self.published.get(path, ())]
            wanted = {report.request_hash: report for report in found if report.request_hash in request.answers}
            return tuple(functools.partial(lambda report: report, report) for report in wanted.values())
        return (lambda: self._remember(self._stage(request)),)

    def publish(self, request: Request, report: Report) -> None:
        """A process leaves a report on the workspace."""
        uid = request.search.uid
        if isinstance(report, MergeReport):
            self.published[str(files.merge_report(uid, report.candidate))] = (report,)
        elif isinstance(report, EvaluationReport) and isinstance(request, EvaluationRequest):
            folder = files.evaluation_folder(uid, request.split, report.candidate)
            self.published[str(folder / files.REPORT)] = (report,)
        elif isinstance(report, CompareReport):
            self.published[str(files.comparison_report(uid))] = (report,)

    def _remember(self, report: Report) -> Report:
        self.given.append(report)
        return report

    def _merge(self, request: MergeRequest, candidate: MergeCandidate) -> Report:
        expected = request.hash_of(candidate)
        if self.merges.get(candidate.id, ("",))[0] != expected:
            self.written.append(candidate.id)
            self.read += [request] if request not in self.read else []
        self.merges[candidate.id] = (expected, candidate.weights)
        self.most = max(self.most, len(self.merges))
        self.shaky.discard(candidate.id)
        sealed = digest(candidate.weights) if candidate.keep else None
        return self._remember(
            MergeReport(
                version=1, candidate=candidate.id, request_hash=expected, seconds=self.seconds[0], weights_digest=sealed
            )
        )

    def _evaluate(self, request: EvaluationRequest, candidate: EvaluationCandidate) -> Report:
        """What was scored before and lies there still is only read."""
        place = (request.split, candidate.id)
        before = self.evaluations.get(place)
        if before is not None and before.request_hash == request.hash_of(candidate):
            return self._remember(before.model_copy(update={"reused": True}))
        report = EvaluationReport(version=1, candidate=candidate.id, request_hash=request.hash_of(candidate))
        weights = self._weights(candidate)
        if weights is None:
            lost = Failure(reason=Reason.WEIGHTS_LOST, message=f"{candidate.model.path} is gone", transient=True)
            return self._remember(report.model_copy(update={"failure": lost}))
        scores = tuple(
            TaskScore(
                task=task.name,
                score=self.landscape(weights, task.name, request.split),
                stderr=self.stderr,
                samples=sum(leaf.stop - leaf.start for leaf in task.samples),
            )
            for task in request.tasks
        )
        tokens = dict(zip(("prompt_tokens", "generated_tokens"), self.tokens, strict=True))
        measured = {"scores": scores, "seconds": self.seconds[1], **tokens}
        self.evaluated += 1
        self.evaluations[place] = report.model_copy(update=measured)
        return self._remember(self.evaluations[place])

    def _weights(self, candidate: EvaluationCandidate) -> tuple[float, ...] | None:
        """The weights that are evaluated; None where they are gone, which has to be the world's own doing."""
        if candidate.merge_hash is None:
            index, count = map(int, candidate.model.path.split("-of-"))
            return tuple(float(i == index) for i in range(count))
        found = self.merges.get(candidate.id)
        if found is not None and found[0] == candidate.merge_hash:
            return found[1]
        self.lost.append(candidate.id)
        assert candidate.id in self.shaky, f"{candidate.id}: weights {candidate.merge_hash[:8]} wanted, {found} there"
        return None

    def _stage(self, request: Request) -> Report:
        """The report of a stage without records that goes well."""
        if isinstance(request, PreflightCheckpointsRequest):
            facts = tuple(
                CheckpointFacts(
                    name=c.name,
                    fingerprint=digest(c.name, self.contents.get(c.name, "")),
                    bytes=1000,
                    parameters=500,
                    dtypes=("bfloat16",),
                )
                for c in request.checkpoints
            )
            return PreflightCheckpointsReport(
                version=1,
                request_hash=request.hash(),
                checkpoints=facts,
                output_bytes=1000,
                free_bytes=10**9,
                memory_bytes=10**8 * request.batch,
            )
        if isinstance(request, PreflightTasksRequest):
            tasks = tuple(
                TaskFacts(name=task.name, leaves=self.leaves(task.name, self.contents.get(task.name, "")))
                for task in request.tasks
            )
            return PreflightTasksReport(version=1, request_hash=request.hash(), tasks=tasks, versions={"lm_eval": "0"})
        if isinstance(request, CompareRequest):
            comparisons = tuple(
                Comparison(candidate=f.id, baseline=b.id, gain=gain, low=gain - 0.01, high=gain + 0.01, p=0.05)
                for f in request.finalists
                for b in request.baselines
                for gain in (self.gains.get(b.id, 0.01),)
            )
            return CompareReport(version=1, request_hash=request.hash(), comparisons=comparisons)
        assert isinstance(request, CleanupRequest)
        return CleanupReport(version=1, request_hash=request.hash(), removed=request.prune)

    def leaves(self, task: str, content: str = "") -> tuple[LeafFacts, ...]:
        """The leaf tasks of a task that holds this content."""
        totals = self.documents.get(task, (400,))
        return tuple(
            LeafFacts(
                name=task if len(totals) == 1 else f"{task}_{i}",
                total=total,
                documents=digest(task, i, content)[:16],
            )
            for i, total in enumerate(totals)
        )


def resource(checkpoints: int = 3, **parts: Any) -> MergeSearch:
    """A search over so many checkpoints; each part of the spec is given as a manifest would, and merged into this."""
    spec: dict[str, Any] = {
        "checkpoints": [{"name": f"m-{i}", "path": f"{i}-of-{checkpoints}"} for i in range(checkpoints)],
        "storage": {
            "checkpoints": {"persistentVolumeClaim": {"claimName": "c"}},
            "workspace": {"persistentVolumeClaim": {"claimName": "w"}},
        },
        "objective": {"tasks": [{"name": "a", "metric": "acc"}, {"name": "b", "metric": "acc"}]},
        "heldOut": {"tasks": [{"name": "h", "metric": "acc"}]},
        "search": {"maxEvaluations": 12, "algorithm": {"cmaes": {"populationSize": 4}}},
    }
    for name, part in parts.items():
        if isinstance(part, dict) and isinstance(spec.get(name), dict):
            spec[name] = {**spec[name], **part}
        else:
            spec[name] = part
    return MergeSearch.model_validate(
        {
            "apiVersion": "mergesearch.io/v1alpha1",
            "kind": "MergeSearch",
            "metadata": {"name": "soup", "uid": "abcdef-1"},
            "spec": spec,
        }
    )


@dataclass(frozen=True)
class End:
    """How a child ends that does not end well."""

    code: int | None
    """None: it is gone and nobody knows why."""
    reason: Reason | None = None
    message: str = ""
    reports: int = 0
    """How many of its candidates it has reported before."""
    failure: Failure | None = None
    """What it reports of the others, or of its stage; then the code is 0 or 65."""
    disrupted: bool = False


Faults = Callable[[Child], End | None]


@dataclass
class Process:
    """A child of the bench."""

    child: Child
    state: ChildState = ChildState.PENDING
    answers: tuple[Callable[[], Report], ...] = ()
    """What it has still to do."""
    reports: list[Report] = field(default_factory=list)
    exit: Exit | None = None
    disrupted: bool = False
    unread: bool = False
    """Nobody can read what it has reported, but for the reports that were seen while it ran."""
    pointer: str | None = None
    waiting: Waiting | None = None
    """Why it does not start."""
    made: bool = True
    """Whether its Job is there."""
    started_at: datetime | None = None
    ended_at: datetime | None = None

    def hide(self, world: World, *, pointer: bool, published: bool = True) -> None:
        """Its pod is gone, or its termination message holds only a pointer."""
        request, self.unread = self.child.request, True
        for report in self.reports if published else ():
            world.publish(request, report)
        if pointer:
            self.pointer = contract.digest_of(self.reports)
            world.published[str(files.answer_file(request.search.uid, self.pointer))] = tuple(self.reports)
        self.reports = []

    def start(self, world: World, now: datetime) -> None:
        """It begins by removing what it was told to remove."""
        request = self.child.request
        self.state, self.started_at = ChildState.RUNNING, now
        self.waiting, self.made = None, True
        self.answers = world.answers(request)
        if isinstance(request, MergeRequest | CleanupRequest):
            world.remove(request.prune)
            # Until it is seen to have ended well, the core does not know that they are gone.
            world.shaky |= set(request.prune)

    def publish(self, count: int) -> None:
        """Do the next pieces of its work and report them."""
        done, self.answers = self.answers[:count], self.answers[count:]
        self.reports += [answer() for answer in done]

    def end(self, how: Exit | None, now: datetime, *, disrupted: bool = False) -> None:
        """It is over."""
        self.state, self.exit, self.disrupted, self.ended_at = ChildState.ENDED, how, disrupted, now

    def observed(self) -> ObservedChild:
        """As its shell sees it."""
        return ObservedChild(
            launch=self.child.launch.number,
            state=self.state,
            reports=tuple(self.reports),
            exit=self.exit,
            disrupted=self.disrupted,
            unread=self.unread,
            reports_digest=self.pointer,
            started_at=self.started_at,
            ended_at=self.ended_at,
            waiting=self.waiting,
            made=self.made,
        )


def failed_report(report: Report, failure: Failure) -> Report:
    """The same report with a failure in the place of its result."""
    empty: dict[str, object] = {"scores": ()} if isinstance(report, EvaluationReport) else {}
    return report.model_copy(update={"failure": failure, **empty})


@dataclass
class Bench:
    """A shell around the core, whose children do what a test wants."""

    resource: MergeSearch
    world: World = field(default_factory=World)
    faults: Faults = lambda _child: None
    seconds: float = 10.0
    """How long a child runs, and a step takes."""
    newest_only: bool = False
    """Of all children only the newest one works, the others wait in a queue."""
    status: MergeSearchStatus = field(default_factory=MergeSearchStatus)
    now: datetime = START
    processes: dict[int, Process] = field(default_factory=dict)
    started: list[Child] = field(default_factory=list)
    """Every child that was ever made."""
    blind_since: datetime | None = None
    largest_budget: int = 0

    def observe(self) -> Observed:
        """All children as they are now."""
        seen = tuple(process.observed() for process in self.processes.values())
        blind, self.blind_since = self.blind_since, None
        return Observed(children=seen, blind_since=blind)

    def decide(self, observed: Observed) -> MergeSearchStatus:
        """What the core makes of it: checked, and the same when asked again."""
        self.largest_budget = max(self.largest_budget, self.resource.spec.search.max_evaluations)
        after = advance(self.resource, self.status, observed, self.now)
        again = advance(self.resource, after, observed, self.now)
        assert again is after, "a step with nothing new must return the same status"
        consistency.check(self.resource, after, self.largest_budget)
        consistency.check_step(self.resource, self.status, after, observed, self.now)
        return after

    def act(self) -> None:
        """Make the children what they ought to be."""
        wanted = {child.launch.number: child for child in children(self.resource, self.status)}
        self.processes = {number: process for number, process in self.processes.items() if number in wanted}
        for number, child in wanted.items():
            if number not in self.processes:
                self.processes[number] = Process(child)
                self.started.append(child)

    def step(self) -> bool:
        """Observe, decide, write, act. Whether something has changed."""
        after = self.decide(self.observe())
        changed = after is not self.status
        self.status = after
        self.act()
        return changed

    def work(self) -> None:
        """Every child starts, and ends as the test wants, or well."""
        alive = [process for process in self.processes.values() if process.state is not ChildState.ENDED]
        alive = alive[-1:] if self.newest_only else alive
        for process in alive:
            process.start(self.world, self.now)
        self.now += timedelta(seconds=self.seconds)
        for process in alive:
            self.finish(process, self.faults(process.child))

    def finish(self, process: Process, fault: End | None = None) -> None:
        """End a running child."""
        process.publish(len(process.answers) if fault is None else fault.reports)
        if fault is None:
            process.end(Exit(code=0), self.now)
            return
        if fault.failure is not None:
            already = len(process.reports)
            process.publish(len(process.answers))
            process.reports[already:] = [failed_report(r, fault.failure) for r in process.reports[already:]]
            if process.child.launch.stage is Stage.MERGE:
                self.world.remove(process.child.launch.candidates[already:])
        how = Exit(code=fault.code, reason=fault.reason, message=fault.message) if fault.code is not None else None
        process.end(how, self.now, disrupted=fault.disrupted)

    def until(self, wanted: Callable[[MergeSearchStatus], bool], steps: int = 5000) -> MergeSearchStatus:
        """Step until a status is as wanted. The children that its step has made are there and have not begun."""
        for _ in range(steps):
            self.step()
            if wanted(self.status):
                return self.status
            self.work()
        raise AssertionError(f"not so after {steps} steps: {self.status.phase}, {self.status.counts}")

    def rest(self, steps: int = 20000) -> MergeSearchStatus:
        """Step until nothing happens any more. Pauses are waited for."""
        for _ in range(steps):
            changed = self.step()
            if not changed and not self.status.launches:
                due = next_due(self.status, self.now)
                resting = self.status.stalled is not None or self.resource.spec.suspend
                if due is None or resting or self.status.completion_time is not None:
                    return self.status
                self.now = due
            self.work()
        raise AssertionError(f"not at rest after {steps} steps: {self.status.phase}, {self.status.counts}")

    def edit(self, part: str = "", **fields: Any) -> None:
        """A person edits the spec: fields of a part of it, or of the spec itself, by their names in Python."""
        spec = self.resource.spec
        if part:
            spec = spec.model_copy(update={part: getattr(spec, part).model_copy(update=fields)})
        else:
            spec = spec.model_copy(update=fields)
        meta = self.resource.metadata
        meta = meta.model_copy(update={"generation": meta.generation + 1})
        self.resource = self.resource.model_copy(update={"spec": spec, "metadata": meta})

    def retry(self) -> None:
        """A person sets a new value of `spec.retry`."""
        self.edit(retry=f"{self.resource.spec.retry}+")

    # --- What tests ask ---

    def record(self, identity: str, split: Split = "search") -> Record:
        """A record by its id; `unseen` finds confirmations."""
        lists = self.status.confirmations if split == "unseen" else (*self.status.baselines, *self.status.candidates)
        return next(record for record in lists if record.id == identity)

    def made(self, stage: Stage, split: Split | None = None) -> list[tuple[str, ...]]:
        """The candidates of every child of a stage that was ever made."""
        return [
            child.launch.candidates
            for child in self.started
            if child.launch.stage is stage and split in (None, child.launch.split)
        ]

    def condition(self, kind: str) -> tuple[str, str]:
        """Status and reason of a condition."""
        return next((c.status, str(c.reason)) for c in self.status.conditions if c.type == kind)


def scored(status: MergeSearchStatus, number: int) -> bool:
    """Whether so many candidates are scored."""
    return sum(record.state is RecordState.SCORED for record in status.candidates) >= number


def faults(*rules: tuple[Stage, str | None, End], times: int | None = None) -> Faults:
    """Children of a stage, of a candidate if one is named, end in some way; so many times each, or always."""
    left: dict[int, int] = dict.fromkeys(range(len(rules)), times if times is not None else 10**9)

    def fault(child: Child) -> End | None:
        for i, (stage, candidate, end) in enumerate(rules):
            if child.launch.stage is stage and (candidate is None or candidate in child.launch.candidates) and left[i]:
                left[i] -= 1
                return end
        return None

    return fault
