"""All that crosses a process border: requests to the merger and the evaluator, and their reports. Pure; standard
library and pydantic only.

A request is one JSON document. It holds a list of candidates, in the plain case of one; every candidate gets a report
of its own, which echoes the candidate's request hash. The hash covers only what determines the result, never prune
lists, attempts, batches or image tags, so a result stays valid when the rest changes.

Volumes are named, never mounted paths: a process is told where `checkpoints`, `workspace` and others lie when it
starts. What a process writes lies where `files.py` says. A field that a reader does not know is an error: both sides
are of one release.
"""

from mergesearch.contract.cleanup import (
    CleanupReport,
    CleanupRequest,
)
from mergesearch.contract.compare import (
    CompareCandidate,
    CompareReport,
    CompareRequest,
    Comparison,
)
from mergesearch.contract.evaluation import (
    Engine,
    EvaluationCandidate,
    EvaluationReport,
    EvaluationRequest,
    Split,
    Task,
    TaskQuestion,
    TaskScore,
)
from mergesearch.contract.merge import (
    SLICE_VARIABLE,
    MergeCandidate,
    MergeReport,
    MergeRequest,
)
from mergesearch.contract.model import (
    CONTRACT_VERSION,
    Aggregate,
    CandidateId,
    Checkpoint,
    Dtype,
    Failure,
    Model,
    SearchRef,
    Sha256,
    ShortDigest,
    VolumePath,
    WholeRequest,
    digest,
)
from mergesearch.contract.preflight import (
    CheckpointFacts,
    LeafFacts,
    PreflightCheckpointsReport,
    PreflightCheckpointsRequest,
    PreflightTasksReport,
    PreflightTasksRequest,
    TaskFacts,
)
from mergesearch.contract.process import (
    REPORT,
    REQUEST,
    TERMINATION_MESSAGE_BYTES,
    Answer,
    Exit,
    Report,
    Request,
    Termination,
    digest_of,
    reports_in,
    termination_message,
)
from mergesearch.contract.read import ReadRequest
from mergesearch.contract.samples import (
    SampleSelection,
    permutation,
)

__all__ = [
    "CONTRACT_VERSION",
    "REPORT",
    "REQUEST",
    "SLICE_VARIABLE",
    "TERMINATION_MESSAGE_BYTES",
    "Aggregate",
    "Answer",
    "CandidateId",
    "Checkpoint",
    "CheckpointFacts",
    "CleanupReport",
    "CleanupRequest",
    "CompareCandidate",
    "CompareReport",
    "CompareRequest",
    "Comparison",
    "Dtype",
    "Engine",
    "EvaluationCandidate",
    "EvaluationReport",
    "EvaluationRequest",
    "Exit",
    "Failure",
    "LeafFacts",
    "MergeCandidate",
    "MergeReport",
    "MergeRequest",
    "Model",
    "PreflightCheckpointsReport",
    "PreflightCheckpointsRequest",
    "PreflightTasksReport",
    "PreflightTasksRequest",
    "ReadRequest",
    "Report",
    "Request",
    "SampleSelection",
    "SearchRef",
    "Sha256",
    "ShortDigest",
    "Split",
    "Task",
    "TaskFacts",
    "TaskQuestion",
    "TaskScore",
    "Termination",
    "VolumePath",
    "WholeRequest",
    "digest",
    "digest_of",
    "permutation",
    "reports_in",
    "termination_message",
]
