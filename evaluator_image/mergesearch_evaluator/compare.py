"""Answers a compare request: reads the per-sample scores of the unseen split and compares finalists with baselines."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from mergesearch import files, worker
from mergesearch.contract import (
    CompareCandidate,
    CompareReport,
    CompareRequest,
    Comparison,
    EvaluationReport,
    Failure,
)
from mergesearch.errors import InvalidRequestError
from mergesearch.reasons import Reason
from mergesearch.worker import Progress, Volumes
from mergesearch_evaluator import bootstrap, samples
from mergesearch_evaluator.bootstrap import TaskValues
from mergesearch_evaluator.problems import Problem, failure
from mergesearch_evaluator.samples import Sample

SPLIT = "unseen"


class LostSamplesError(Exception):
    """The scores of a candidate are not on the volume as they were reported."""


def compare(request: CompareRequest, volumes: Volumes, progress: Progress) -> CompareReport:
    """Compare every finalist with every baseline on the same resamples; the report is published.

    Scores that are gone make a transient failure: the candidate can be scored again. Raises MergeSearchError, OSError.
    """
    _refuse_nonsense(request)
    workspace = volumes.root(files.WORKSPACE_VOLUME)
    everybody = list(dict.fromkeys([*request.finalists, *request.baselines]))
    lost: list[Problem] = []
    read: dict[str, dict[str, Sequence[Sample]]] = {}
    for candidate in everybody:
        try:
            read[candidate.id] = _read(workspace, request, candidate)
        except LostSamplesError as error:
            lost.append(Problem(Reason.SAMPLES_LOST, f"{candidate.id}: {error}", transient=True))
    report = CompareReport(version=1, request_hash=request.hash())
    if lost:
        return report.model_copy(update={"failure": failure(lost)})
    try:
        values = [_paired(task, [read[candidate.id][task] for candidate in everybody]) for task in request.tasks]
    except LostSamplesError as error:
        gone = Failure(reason=Reason.SAMPLES_LOST, message=str(error), transient=True)
        return report.model_copy(update={"failure": gone})
    progress(f"comparing {len(everybody)} candidates on {request.resamples} resamples")
    report = report.model_copy(update={"comparisons": _comparisons(request, everybody, values)})
    worker.publish_report(workspace / files.comparison_report(request.search.uid), report)
    return report


def _refuse_nonsense(request: CompareRequest) -> None:
    if not request.tasks or len(request.tasks) != len(request.task_weights):
        message = f"{len(request.tasks)} tasks with {len(request.task_weights)} weights cannot be aggregated"
        raise InvalidRequestError(message, reason=Reason.MALFORMED_REQUEST)
    hashes: dict[str, str] = {}
    for candidate in (*request.finalists, *request.baselines):
        if hashes.setdefault(candidate.id, candidate.evaluation_hash) != candidate.evaluation_hash:
            message = f"candidate {candidate.id} stands in the request with two different evaluations"
            raise InvalidRequestError(message, reason=Reason.MALFORMED_REQUEST)


def _read(workspace: Path, request: CompareRequest, candidate: CompareCandidate) -> dict[str, Sequence[Sample]]:
    """The candidate's samples by task, if they belong to the evaluation that the request names."""
    folder = workspace / files.evaluation_folder(request.search.uid, SPLIT, candidate.id)
    try:
        report = EvaluationReport.model_validate_json((folder / files.REPORT).read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        raise LostSamplesError(f"{folder / files.REPORT} cannot be read") from error
    if report.request_hash != candidate.evaluation_hash:
        raise LostSamplesError(
            f"{folder / files.REPORT} answers {report.request_hash}, not {candidate.evaluation_hash}"
        )
    found = {}
    for task in request.tasks:
        path = workspace / files.samples_file(request.search.uid, SPLIT, candidate.id, task)
        try:
            found[task] = samples.read(path)
        except samples.UnreadableSamplesError as error:
            raise LostSamplesError(str(error)) from error
        if not found[task]:
            raise LostSamplesError(f"{path} is empty")
    return found


def _paired(task: str, found: Sequence[Sequence[Sample]]) -> TaskValues:
    """One row a document, one column a candidate. Raises LostSamplesError if they did not answer the same documents."""
    keys = [[(sample.leaf, sample.index, sample.weight) for sample in column] for column in found]
    if any(column != keys[0] for column in keys):
        raise LostSamplesError(f"{task}: the candidates were not scored on the same documents")
    return TaskValues(
        weights=np.array([sample.weight for sample in found[0]]),
        values=np.array([[sample.value for sample in column] for column in found]).T,
    )


def _comparisons(
    request: CompareRequest, everybody: Sequence[CompareCandidate], values: Sequence[TaskValues]
) -> tuple[Comparison, ...]:
    column = {candidate.id: number for number, candidate in enumerate(everybody)}
    weights, how = request.task_weights, request.aggregate
    observed = bootstrap.aggregate(np.stack([bootstrap.scores_of(task) for task in values], axis=-1), weights, how)
    drawn = bootstrap.resampled_fitness(values, weights, how, seed=request.seed, resamples=request.resamples)
    finalists = [column[finalist.id] for finalist in request.finalists]
    found = []
    for baseline in request.baselines:
        other = column[baseline.id]
        differ = [bootstrap.differing(values, mine, other) for mine in finalists]
        gains = bootstrap.gains(observed[finalists] - observed[other], drawn[:, finalists] - drawn[:, [other]], differ)
        found += [
            Comparison(
                candidate=finalist.id,
                baseline=baseline.id,
                gain=gain.gain,
                low=gain.low,
                high=gain.high,
                p=gain.p,
                corrected_p=gain.corrected_p,
            )
            for finalist, gain in zip(request.finalists, gains, strict=True)
        ]
    return tuple(found)
