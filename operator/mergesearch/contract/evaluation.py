"""Evaluations: which models to score on which tasks, and the scores. Pure."""

from typing import Literal

from pydantic import Field

from mergesearch.contract.model import CandidateId, Dtype, Failure, Model, SearchRef, Sha256, VolumePath, digest, plain
from mergesearch.contract.samples import SampleSelection

Split = Literal["search", "again", "unseen"]
"""`search`: what the search optimises. `again`: the same samples once more, for the noise floor. The others: see
`EvaluationRequest`.
"""


class TaskQuestion(Model):
    """A task as the user wrote it, before its leaves are known."""

    name: str
    metric: str
    filter: str = "none"
    num_fewshot: int | None = None
    """None leaves the task's own number."""
    chat_template: bool = False


class Task(TaskQuestion):
    """A task of lm-eval and the samples of it that count."""

    samples: tuple[SampleSelection, ...] = Field(min_length=1)
    """One for each leaf task, in lm-eval's order."""


class Engine(Model):
    """How the evaluator runs a model."""

    backend: Literal["vllm", "hf"]
    dtype: Dtype = "bfloat16"
    seed: int = 0
    engine_args: dict[str, str | int | float | bool] = Field(default={})
    """Passed to the backend as they are."""
    max_gen_toks: int | None = None
    batch_size: int | None = None
    """None: vLLM schedules by itself; hf uses a default of its own."""
    include_paths: tuple[VolumePath, ...] = ()
    """Folders with tasks of the user's own."""
    allow_code_execution: bool = False


class EvaluationCandidate(Model):
    """One model to score."""

    id: CandidateId
    model: VolumePath
    merge_hash: Sha256 | None = None
    """For a merge: the request hash that its `merge.json` must carry. None: an input checkpoint as it is."""
    fingerprint: Sha256 | None = None
    """For an input checkpoint: as the preflight saw it."""


class EvaluationRequest(Model):
    """Score all candidates on one engine, one after the other; each report is written as soon as its candidate is done.

    `split` names the folder of the outputs: `search` and `again` are the samples that the search may see, `unseen`
    the others of the same tasks together with the held-out tasks.
    """

    kind: Literal["evaluate"] = "evaluate"
    version: Literal[1]
    search: SearchRef
    split: Split
    candidates: tuple[EvaluationCandidate, ...] = Field(min_length=1)
    tasks: tuple[Task, ...] = Field(min_length=1)
    engine: Engine

    def hash_of(self, candidate: EvaluationCandidate) -> str:
        """The request hash of one candidate: of the model, the split, the tasks with their samples, and the engine."""
        model = candidate.merge_hash or [plain(candidate.model), candidate.fingerprint]
        return digest(
            "evaluate", self.version, model, self.split, [plain(task) for task in self.tasks], plain(self.engine)
        )


class TaskScore(Model):
    """The score of one task, a fraction as lm-eval reports it."""

    task: str
    score: float
    stderr: float | None = None
    samples: int


class EvaluationReport(Model):
    """What became of one evaluation."""

    kind: Literal["evaluate"] = "evaluate"
    version: Literal[1]
    candidate: CandidateId
    request_hash: Sha256
    failure: Failure | None = None
    scores: tuple[TaskScore, ...] = ()
    """In the request's order of tasks; empty where `failure` stands."""
    seconds: float = 0.0
    load_seconds: float = 0.0
    """Of `seconds`: until the model was ready to generate."""
    prompt_tokens: int = 0
    generated_tokens: int = 0
    peak_bytes: int = 0
    reused: bool = False
