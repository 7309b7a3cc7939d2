"""Comparisons from files on a volume."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mergesearch import contract, files, worker
from mergesearch.errors import InvalidRequestError
from mergesearch_evaluator import compare, samples
from mergesearch_evaluator.samples import Sample

UID = "uid-1"
RATES = {"strong": (0.8, 0.7), "weak": (0.5, 0.5), "same": (0.5, 0.5)}
TASKS = ("first", "second/odd name")
DOCUMENTS = 300


def hash_of(candidate: str) -> str:
    return contract.digest(candidate)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Three candidates on two tasks; `same` answers exactly as `weak` does."""
    for name, rates in RATES.items():
        for number, (task, rate) in enumerate(zip(TASKS, rates, strict=True)):
            rng = np.random.default_rng([number, 0 if name == "strong" else 1])
            values = (rng.random(DOCUMENTS) < rate).astype(float)
            write_samples(tmp_path, name, task, values)
        report = contract.EvaluationReport(version=1, candidate=name, request_hash=hash_of(name))
        worker.publish_report(tmp_path / files.evaluation_folder(UID, "unseen", name) / files.REPORT, report)
    return tmp_path


def write_samples(workspace: Path, candidate: str, task: str, values: Any) -> None:
    found = [Sample(task, index, float(value), 1 / len(values), 1, 1, None) for index, value in enumerate(values)]
    samples.write(workspace / files.samples_file(UID, "unseen", candidate, task), found)


def request(**changes: Any) -> contract.CompareRequest:
    def named(*names: str) -> tuple[contract.CompareCandidate, ...]:
        return tuple(contract.CompareCandidate(id=name, evaluation_hash=hash_of(name)) for name in names)

    settings: dict[str, Any] = {
        "finalists": named("strong", "same"),
        "baselines": named("weak"),
        "tasks": TASKS,
        "task_weights": (1.0, 3.0),
        "resamples": 1000,
    }
    reference = contract.SearchRef(name="soup", uid=UID)
    return contract.CompareRequest(version=1, search=reference, **(settings | changes))


def ask(workspace: Path, asked: contract.CompareRequest) -> contract.CompareReport:
    return compare.compare(asked, worker.Volumes({"workspace": workspace}), lambda _: None)


def test_finalists_are_compared_with_baselines_and_the_report_is_published(workspace: Path) -> None:
    report = ask(workspace, request())
    assert report.failure is None
    assert report.request_hash == request().hash()
    strong, same = report.comparisons
    assert (strong.candidate, strong.baseline) == ("strong", "weak")
    assert 0.15 < strong.low < strong.gain < strong.high < 0.35
    assert strong.p == pytest.approx(1 / 1001)
    assert strong.corrected_p == pytest.approx(1 / 1001)
    assert (same.gain, same.low, same.high, same.p) == (0.0, 0.0, 0.0, 1.0)
    published = contract.CompareReport.model_validate_json((workspace / files.comparison_report(UID)).read_text())
    assert published == report


def test_the_same_request_gets_the_same_report(workspace: Path) -> None:
    assert ask(workspace, request()) == ask(workspace, request())
    assert ask(workspace, request(seed=1)).comparisons != ask(workspace, request()).comparisons


def test_the_weights_of_the_tasks_count_where_the_aggregate_reads_them(workspace: Path) -> None:
    means = {
        name: [
            np.mean(
                [sample.value for sample in samples.read(workspace / files.samples_file(UID, "unseen", name, task))]
            )
            for task in TASKS
        ]
        for name in ("strong", "weak")
    }
    gains = np.subtract(means["strong"], means["weak"])
    assert ask(workspace, request()).comparisons[0].gain == pytest.approx(gains.mean())
    weighted = ask(workspace, request(aggregate="WeightedMean")).comparisons[0].gain
    assert weighted == pytest.approx((gains[0] + 3 * gains[1]) / 4)


def test_without_baselines_there_is_nothing_to_compare(workspace: Path) -> None:
    assert ask(workspace, request(baselines=())).comparisons == ()


def drop(path: Callable[[Path], Path]) -> Callable[[Path], None]:
    return lambda workspace: path(workspace).unlink()


def other_report(workspace: Path) -> None:
    path = workspace / files.evaluation_folder(UID, "unseen", "weak") / files.REPORT
    path.write_text(json.dumps(json.loads(path.read_text()) | {"requestHash": "0" * 64}))


def torn_samples(workspace: Path) -> None:
    path = workspace / files.samples_file(UID, "unseen", "weak", TASKS[0])
    path.write_bytes(path.read_bytes()[:-5])


@pytest.mark.parametrize(
    ("lose", "words"),
    [
        pytest.param(
            drop(lambda root: root / files.evaluation_folder(UID, "unseen", "weak") / files.REPORT),
            "report.json cannot be read",
            id="report-gone",
        ),
        pytest.param(other_report, "answers 0000", id="report-of-another-request"),
        pytest.param(
            drop(lambda root: root / files.samples_file(UID, "unseen", "weak", TASKS[1])),
            "No such file",
            id="samples-gone",
        ),
        pytest.param(torn_samples, "first.jsonl.zst", id="samples-torn"),
        pytest.param(
            lambda root: write_samples(root, "weak", TASKS[0], []), "first.jsonl.zst is empty", id="samples-empty"
        ),
        pytest.param(
            lambda root: write_samples(root, "weak", TASKS[0], [1.0] * 299),
            "first: the candidates were not scored on the same documents",
            id="other-documents",
        ),
    ],
)
def test_scores_that_are_gone_can_be_made_again_and_nothing_is_published(
    workspace: Path, lose: Callable[[Path], None], words: str
) -> None:
    lose(workspace)
    report = ask(workspace, request())
    assert report.comparisons == ()
    assert report.failure is not None
    assert (report.failure.reason, report.failure.transient) == ("SamplesLost", True)
    assert words in report.failure.message
    assert not (workspace / files.comparison_report(UID)).exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"tasks": ("first",)}, "1 tasks with 2 weights", id="weights-and-tasks-differ"),
        pytest.param({"tasks": (), "task_weights": ()}, "0 tasks with 0 weights", id="no-task"),
        pytest.param(
            {"baselines": (contract.CompareCandidate(id="strong", evaluation_hash="0" * 64),)},
            "candidate strong stands in the request with two different evaluations",
            id="two-evaluations-of-one-candidate",
        ),
    ],
)
def test_a_request_that_cannot_be_met_is_refused(workspace: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words):
        ask(workspace, request(**changes))
