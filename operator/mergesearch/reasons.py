"""Every machine-readable reason, in one place: conditions, candidate records, reports and errors use these and no
others.

A reason is CamelCase, stable across releases and safe to alert on. The sentence for people stands beside it wherever
it is used. Pure; the standard library only.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Why something is as it is."""

    # Life of a search: reasons of conditions.
    RUNNING = "Running"
    QUEUED = "Queued"
    FORBIDDEN = "Forbidden"
    RESUMED = "Resumed"
    SUSPENDED = "Suspended"
    DRAINING = "Draining"
    REPLAY_DIVERGED = "ReplayDiverged"
    IMAGE_CHANGED = "ImageChanged"
    NOT_YET = "NotYet"
    # Ready: what the comparison on unseen samples has shown.
    GAIN = "Gain"
    NO_GAIN = "NoGain"
    BASELINE_BETTER = "BaselineBetter"
    UNPROVEN = "Unproven"
    # Complete, because ...
    BUDGET_SPENT = "BudgetSpent"
    GOAL_REACHED = "GoalReached"
    NO_IMPROVEMENT = "NoImprovement"
    DURATION_SPENT = "DurationSpent"
    GPU_HOURS_SPENT = "GpuHoursSpent"
    # Stalled: a person can mend it.
    INVALID_SPEC = "InvalidSpec"
    PREFLIGHT_FAILED = "PreflightFailed"
    TOO_MANY_FAILURES = "TooManyFailures"
    GENERATION_FAILED = "GenerationFailed"
    REPEATED_FAILURE = "RepeatedFailure"
    BASELINES_FAILED = "BaselinesFailed"
    CONFIRMATION_FAILED = "ConfirmationFailed"
    COMPARISON_FAILED = "ComparisonFailed"
    CHECKPOINT_CHANGED = "CheckpointChanged"
    TASKS_CHANGED = "TasksChanged"
    STORAGE_FULL = "StorageFull"
    REQUEST_REFUSED = "RequestRefused"
    NAME_CONFLICT = "NameConflict"
    NEWER_STATUS = "NewerStatus"
    UNREADABLE = "Unreadable"
    STATUS_TOO_LARGE = "StatusTooLarge"
    DISRUPTED_TOO_OFTEN = "DisruptedTooOften"
    # Failed: the search ended before anything could be confirmed.
    BUDGET_SPENT_UNCONFIRMED = "BudgetSpentUnconfirmed"

    # The request cannot be met as it stands: exit 64.
    MALFORMED_REQUEST = "MalformedRequest"
    CHECKPOINT_MISSING = "CheckpointMissing"
    CHECKPOINT_UNREADABLE = "CheckpointUnreadable"
    CHECKPOINTS_INCOMPATIBLE = "CheckpointsIncompatible"
    UNSUPPORTED_FORMAT = "UnsupportedFormat"
    PATH_OUTSIDE_VOLUME = "PathOutsideVolume"
    INVALID_WEIGHTS = "InvalidWeights"
    TOKENIZER_MISMATCH = "TokenizerMismatch"
    WORKSPACE_UNWRITABLE = "WorkspaceUnwritable"
    TASK_UNKNOWN = "TaskUnknown"
    TASK_UNREADABLE = "TaskUnreadable"
    DATA_SET_UNREACHABLE = "DataSetUnreachable"
    METRIC_MISSING = "MetricMissing"
    METRIC_UNSUPPORTED = "MetricUnsupported"
    TOO_FEW_SAMPLES = "TooFewSamples"
    ENGINE_REFUSED = "EngineRefused"
    SANDBOX_REFUSED = "SandboxRefused"
    # This candidate is invalid for good: exit 65 where it is alone.
    NON_FINITE_WEIGHTS = "NonFiniteWeights"
    NON_FINITE_SCORE = "NonFiniteScore"
    # No space: exit 66.
    NO_SPACE = "NoSpace"
    # Transient: tried again.
    WEIGHTS_LOST = "WeightsLost"
    SAMPLES_LOST = "SamplesLost"
    INTERRUPTED = "Interrupted"
    OUT_OF_MEMORY = "OutOfMemory"
    VERIFICATION_FAILED = "VerificationFailed"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    PROCESS_DIED = "ProcessDied"
    REPORT_MISSING = "ReportMissing"
    REPORT_MISMATCH = "ReportMismatch"
    ENGINE_FAILED = "EngineFailed"
    SANDBOX_LOST = "SandboxLost"
    DISRUPTED = "Disrupted"
    IMAGE_UNAVAILABLE = "ImageUnavailable"
    VOLUME_UNAVAILABLE = "VolumeUnavailable"
    POD_NOT_STARTED = "PodNotStarted"
    UNEXPECTED = "Unexpected"
