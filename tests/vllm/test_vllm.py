"""vLLM on a CPU: it scores like hf does, and a warm engine like a fresh one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from evaluator_support import process, tasks
from mergesearch import contract, files
from mergesearch_evaluator import samples

pytestmark = pytest.mark.vllm

Volumes = dict[str, Path]
Answers = dict[str, list[samples.Sample]]
CHECKPOINTS = ("reverse", "sort", "next-swap")
TASKS = ("toy_reverse", "toy_sort", "toy_next", "toy_swap")
DOCUMENTS = {"toy_reverse": 640, "toy_sort": 640, "toy_next": 640, "toy_swap": 640}
SAMPLES = 150
"""Of each task: 600 prompts a candidate."""
AGREEMENT = 0.95
"""Share of answers that the backends must give letter by letter alike. Both compute in bf16, but add up in another
order, so a near tie between two letters may fall either way.
"""
SCORE_TOLERANCE = 0.03
"""On the mean over the tasks."""


def engine(backend: Any, **changes: Any) -> contract.Engine:
    arguments = {"max_model_len": 64} if backend == "vllm" else {}
    folder = contract.VolumePath(volume="tasks", path=".")
    return contract.Engine(backend=backend, engine_args=arguments, include_paths=(folder,), **changes)


def request(
    uid: str, candidates: Sequence[contract.EvaluationCandidate], settings: contract.Engine
) -> contract.EvaluationRequest:
    wanted = tuple(
        contract.Task(
            name=name,
            metric="exact_match",
            samples=(contract.SampleSelection(leaf=name, total=DOCUMENTS[name], stop=SAMPLES, seed=1),),
        )
        for name in TASKS
    )
    reference = contract.SearchRef(name="soup", uid=uid)
    return contract.EvaluationRequest(
        version=1, search=reference, split="search", candidates=tuple(candidates), tasks=wanted, engine=settings
    )


def answers(volumes: Volumes, uid: str, candidate: str) -> Answers:
    return {
        task: list(samples.read(volumes["workspace"] / files.samples_file(uid, "search", candidate, task)))
        for task in TASKS
    }


def fitness(report: contract.EvaluationReport) -> float:
    assert report.failure is None
    return sum(score.score for score in report.scores) / len(report.scores)


@pytest.fixture(scope="module")
def candidates(merge: contract.EvaluationCandidate) -> list[contract.EvaluationCandidate]:
    """Three checkpoints and a merge of them."""
    inputs = [
        contract.EvaluationCandidate(id=name, model=contract.VolumePath(volume="checkpoints", path=name))
        for name in CHECKPOINTS
    ]
    return [*inputs, merge]


@pytest.fixture(scope="module")
def warm(evaluator: process.ResidentProcess, candidates: list[contract.EvaluationCandidate]) -> process.Answered:
    """All candidates on one engine of vLLM."""
    return evaluator.ask(request("warm", candidates, engine("vllm")))


def test_a_batch_is_scored_on_a_single_engine(warm: process.Answered, measured: list[str]) -> None:
    assert warm.exit.code == 0, warm.exit.message
    assert warm.engine_starts == 1
    assert list(warm.evaluations) == [*CHECKPOINTS, "uniform"]
    seconds = ", ".join(
        f"{name} {report.load_seconds:.1f} + {report.seconds - report.load_seconds:.1f}"
        for name, report in warm.evaluations.items()
    )
    measured.append(f"vLLM, seconds to load + to score 600 prompts: {seconds}")


def test_a_warm_engine_answers_as_four_fresh_ones(
    evaluator: process.ResidentProcess,
    volumes: Volumes,
    candidates: list[contract.EvaluationCandidate],
    warm: process.Answered,
) -> None:
    for number, candidate in enumerate(candidates, start=1):
        # Another seed is another engine, and greedy decoding draws nothing from it.
        fresh = evaluator.ask(request("fresh", [candidate], engine("vllm", seed=number)))
        assert fresh.exit.code == 0, fresh.exit.message
        assert fresh.engine_starts == 1
        assert answers(volumes, "fresh", candidate.id) == answers(volumes, "warm", candidate.id)
        assert fresh.evaluations[candidate.id].scores == warm.evaluations[candidate.id].scores


def test_an_exported_folder_starts_an_engine_and_answers_like_the_merge(
    evaluator: process.ResidentProcess, volumes: Volumes, published: str, warm: process.Answered
) -> None:
    candidate = contract.EvaluationCandidate(
        id="exported", model=contract.VolumePath(volume="workspace", path=published)
    )
    fresh = evaluator.ask(request("exported", [candidate], engine("vllm", seed=len(CHECKPOINTS) + 2)))
    assert fresh.exit.code == 0, fresh.exit.message
    assert fresh.engine_starts == 1
    assert answers(volumes, "exported", "exported") == answers(volumes, "warm", "uniform")
    assert (volumes["workspace"] / published / "README.md").is_file()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param("untied-1", "untied-2", id="untied-heads"),
        pytest.param("copied-1", "copied-2", id="tied-heads-that-stand-in-the-files-too"),
        pytest.param("copied-1", "both-2", id="a-head-of-its-own-after-a-copied-one"),
    ],
)
def test_a_warm_engine_takes_weights_of_any_head(
    evaluator: process.ResidentProcess, volumes: Volumes, first: str, second: str
) -> None:
    def ask(uid: str, names: Sequence[str], seed: int) -> process.Answered:
        folder = contract.VolumePath(volume="tiny", path="shared")
        return evaluator.ask(
            tasks.evaluation(
                [tasks.candidate(name, model=contract.VolumePath(volume="tiny", path=name)) for name in names],
                # With six examples a prompt is longer than a block of the prefix cache, and so is kept.
                [tasks.task("letters", num_fewshot=6), tasks.task("choices", "acc")],
                search=contract.SearchRef(name="soup", uid=f"{uid}-{second}"),
                engine=contract.Engine(
                    backend="vllm", seed=seed, include_paths=(folder,), engine_args={"block_size": 32}
                ),
            )
        )

    def found(uid: str, name: str) -> list[Sequence[samples.Sample]]:
        paths = [files.samples_file(f"{uid}-{second}", "search", name, task) for task in ("letters", "choices")]
        return [samples.read(volumes["workspace"] / path) for path in paths]

    both = ask("both", [first, second], seed=1)
    assert both.exit.code == 0, both.exit.message
    assert both.engine_starts == 1
    alone = ask("alone", [second], seed=2)
    assert alone.engine_starts == 1
    assert found("alone", second) == found("both", second)
    assert found("alone", second)[0] != found("both", first)[0]


def test_candidates_answer_differently_or_a_stale_engine_would_go_unseen(
    warm: process.Answered, volumes: Volumes
) -> None:
    found = [answers(volumes, "warm", name) for name in warm.evaluations]
    for number, first in enumerate(found):
        for second in found[:number]:
            differing = sum(
                one.text != two.text for task in TASKS for one, two in zip(first[task], second[task], strict=True)
            )
            assert differing > len(TASKS) * SAMPLES // 10


def test_vllm_and_hf_agree(
    evaluator: process.ResidentProcess,
    volumes: Volumes,
    candidates: list[contract.EvaluationCandidate],
    warm: process.Answered,
    measured: list[str],
) -> None:
    by_hf = evaluator.ask(request("hf", candidates, engine("hf")))
    assert by_hf.exit.code == 0, by_hf.exit.message
    for name, report in by_hf.evaluations.items():
        first, second = answers(volumes, "hf", name), answers(volumes, "warm", name)
        pairs = [pair for task in TASKS for pair in zip(first[task], second[task], strict=True)]
        assert all(one.index == two.index and one.prompt_tokens == two.prompt_tokens for one, two in pairs)
        alike = sum(one.text == two.text for one, two in pairs)
        same_value = sum(one.value == two.value for one, two in pairs)
        scores = fitness(report), fitness(warm.evaluations[name])
        measured.append(
            f"hf and vLLM, {name}: {alike}/{len(pairs)} answers alike, {same_value}/{len(pairs)} equally right, "
            f"mean {scores[0]:.4f} and {scores[1]:.4f}"
        )
        assert alike >= AGREEMENT * len(pairs)
        assert scores[0] == pytest.approx(scores[1], abs=SCORE_TOLERANCE)


def test_a_setting_that_vllm_cannot_run_with_is_refused_with_its_own_words_and_does_no_harm(
    evaluator: process.ResidentProcess, candidates: list[contract.EvaluationCandidate]
) -> None:
    settings = engine("vllm").model_copy(update={"engine_args": {"max_model_len": 4096}})
    done = evaluator.ask(request("refused", candidates[:1], settings))
    assert (done.exit.code, done.exit.reason) == (64, "EngineRefused"), done.exit.message
    assert "max_model_len" in done.exit.message
    assert done.reports == []
    assert evaluator.ask(request("refused", candidates[:1], engine("vllm"))).exit.code == 0
