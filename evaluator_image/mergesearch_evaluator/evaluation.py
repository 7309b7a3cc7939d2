"""Answers an evaluation request: every candidate on one engine, one after the other, a report as soon as each is done.

Order matters: what is there already is returned; what is wrong with tasks, engine arguments or checkpoints is said
before a model is loaded; the samples are written before the report that vouches for them.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from mergesearch import contract, files, memory, worker
from mergesearch.contract import EvaluationCandidate, EvaluationReport, EvaluationRequest, Failure
from mergesearch.errors import InvalidCandidateError, InvalidRequestError
from mergesearch.reasons import Reason
from mergesearch.worker import Emit, Progress, Volumes
from mergesearch_evaluator import coding, folders, problems, samples, scoring, tasks
from mergesearch_evaluator.catalog import LoadedTask
from mergesearch_evaluator.engines import arguments
from mergesearch_evaluator.folders import ModelFolder
from mergesearch_evaluator.harness import TokenCounter, run
from mergesearch_evaluator.problems import Problem, clipped
from mergesearch_evaluator.prompts import open_tokenizer
from mergesearch_evaluator.resident import Resident


@dataclass(frozen=True)
class Scored:
    """What one candidate's run yielded."""

    scores: tuple[contract.TaskScore, ...]
    samples: dict[str, list[samples.Sample]]

    @property
    def prompt_tokens(self) -> int:
        """Over all tasks."""
        return sum(sample.prompt_tokens for found in self.samples.values() for sample in found)

    @property
    def generated_tokens(self) -> int:
        """Over all tasks."""
        return sum(sample.generated_tokens for found in self.samples.values() for sample in found)


def evaluate(request: EvaluationRequest, volumes: Volumes, emit: Emit, progress: Progress, resident: Resident) -> None:
    """Emit a report for every candidate. Raises MergeSearchError for the request as a whole."""
    workspace = volumes.root(files.WORKSPACE_VOLUME)
    pending: list[EvaluationCandidate] = []
    for candidate in request.candidates:
        report = _finished(workspace, request, candidate)
        if report is None:
            pending.append(candidate)
        else:
            emit(report)
    usable: list[EvaluationCandidate] = []
    wrong: list[Problem] = list(arguments.problems_of(request.engine)) if pending else []
    for candidate in pending:
        try:
            _look(candidate, volumes)
            usable.append(candidate)
        except InvalidRequestError as error:
            if candidate.merge_hash is None:
                wrong.append(Problem(error.reason, f"candidate {candidate.id}: {error.message}"))
            else:
                emit(_lost(request, candidate, error.message))
    if not usable:
        return problems.refuse(wrong)
    loaded = _tasks(request, volumes, usable[0], wrong, progress, resident)
    files.claim_search_folder(workspace, request.search.uid, request.search.name)
    for number, candidate in enumerate(usable, start=1):
        progress(f"scoring {candidate.id} ({number} of {len(usable)})")
        emit(_report(request, candidate, volumes, loaded, progress, resident))
    return None


def _tasks(
    request: EvaluationRequest,
    volumes: Volumes,
    first: EvaluationCandidate,
    wrong: list[Problem],
    progress: Progress,
    resident: Resident,
) -> Sequence[LoadedTask]:
    """The loaded tasks; raises InvalidRequestError with everything that is wrong, in tasks and elsewhere."""
    progress("loading tasks")
    tokenizer = open_tokenizer(volumes.resolve(first.model))
    loaded, found = tasks.load(request, volumes, tokenizer.facts, resident)
    problems.refuse([*wrong, *found])
    coding.try_sandbox([task.facts for task in loaded], volumes, progress)
    return loaded


def _finished(workspace: Path, request: EvaluationRequest, candidate: EvaluationCandidate) -> EvaluationReport | None:
    """The scores of an earlier run of the same request, if there are any; a failure is tried again when it is asked
    for.
    """
    try:
        text = _report_path(workspace, request, candidate).read_text(encoding="utf-8")
        report = EvaluationReport.model_validate_json(text)
    except (OSError, ValidationError):
        return None
    if report.failure is not None or report.request_hash != request.hash_of(candidate):
        return None
    return report.model_copy(update={"reused": True})


def _look(candidate: EvaluationCandidate, volumes: Volumes) -> ModelFolder:
    """The candidate's folder: whole, of the right merge, or as the preflight saw the checkpoint.

    Raises InvalidRequestError.
    """
    path = volumes.resolve(candidate.model)
    if candidate.merge_hash is not None:
        found = folders.merge_hash(path)
        if found != candidate.merge_hash:
            what = "there is no finished merge" if found is None else f"holds the merge {found}"
            message = f"{path}: {what}; wanted is {candidate.merge_hash}"
            raise InvalidRequestError(message, reason=Reason.WEIGHTS_LOST)
    folder = folders.read(path)
    if candidate.fingerprint is not None:
        folders.require_unchanged(folder, candidate.fingerprint)
    return folder


def _report(
    request: EvaluationRequest,
    candidate: EvaluationCandidate,
    volumes: Volumes,
    loaded: Sequence[LoadedTask],
    progress: Progress,
    resident: Resident,
) -> EvaluationReport:
    """Score one candidate and publish what was found."""
    began = time.monotonic()
    try:
        folder = _look(candidate, volumes)
    except InvalidRequestError as error:
        if candidate.merge_hash is None:
            raise
        return _lost(request, candidate, error.message)
    running = resident.ready(request.engine, folder, progress)
    if candidate.fingerprint is not None:
        _look(candidate, volumes)  # written while it was loaded, it would be a mixture of two
    load_seconds = time.monotonic() - began
    workspace = volumes.root(files.WORKSPACE_VOLUME)
    report = EvaluationReport(version=1, candidate=candidate.id, request_hash=request.hash_of(candidate))
    try:
        counter = TokenCounter(running.engine.model, running.prompt_tokens)
        scored = resident.use(lambda: _score(request, loaded, running.engine.model, counter))
        for name, found in scored.samples.items():
            samples.write(_samples_path(workspace, request, candidate, name), found)
        report = report.model_copy(
            update={
                "scores": scored.scores,
                "prompt_tokens": scored.prompt_tokens,
                "generated_tokens": scored.generated_tokens,
            }
        )
    except InvalidCandidateError as error:
        failure = Failure(reason=error.reason, message=clipped(error.message))
        report = report.model_copy(update={"failure": failure})
    seconds = time.monotonic() - began
    measured = {"seconds": seconds, "load_seconds": load_seconds, "peak_bytes": memory.peak_bytes()}
    report = report.model_copy(update=measured)
    worker.publish_report(_report_path(workspace, request, candidate), report)
    return report


def _score(request: EvaluationRequest, loaded: Sequence[LoadedTask], model: object, counter: TokenCounter) -> Scored:
    engine = request.engine
    pairs = list(zip(request.tasks, loaded, strict=True))
    outcomes = run(model, counter, pairs, allow_code=engine.allow_code_execution, seed=engine.seed)
    found: dict[str, list[samples.Sample]] = {}
    scores = []
    for (task, known), outcome in zip(pairs, outcomes, strict=True):
        weighting = known.facts.weighting(task.metric, task.filter)
        found[task.name] = scoring.samples_of(task, weighting, outcome.samples)
        scores.append(scoring.score_of(task, found[task.name], outcome.reported))
    return Scored(tuple(scores), found)


def _lost(request: EvaluationRequest, candidate: EvaluationCandidate, message: str) -> EvaluationReport:
    """A merge that is gone or torn can be made again; nothing is published, for the next attempt may succeed."""
    return EvaluationReport(
        version=1,
        candidate=candidate.id,
        request_hash=request.hash_of(candidate),
        failure=Failure(reason=Reason.WEIGHTS_LOST, message=clipped(message), transient=True),
    )


def _report_path(workspace: Path, request: EvaluationRequest, candidate: EvaluationCandidate) -> Path:
    return workspace / files.evaluation_folder(request.search.uid, request.split, candidate.id) / files.REPORT


def _samples_path(workspace: Path, request: EvaluationRequest, candidate: EvaluationCandidate, task: str) -> Path:
    return workspace / files.samples_file(request.search.uid, request.split, candidate.id, task)
