"""What a person can do when a search does not go on; pure."""

from mergesearch.reasons import Reason

RETRY = "then set spec.retry to a new value; all scores so far are kept"
DEFAULT = f"Mend what the message names, {RETRY}."

STALLED: dict[Reason, str] = {
    Reason.PREFLIGHT_FAILED: f"Mend what the preflight names, or see its log, {RETRY}.",
    Reason.TOO_MANY_FAILURES: f"See why the candidates fail, mend it or raise search.maxFailures, {RETRY}.",
    Reason.GENERATION_FAILED: f"See why the candidates fail and mend it, {RETRY}, and the failed ones are tried again.",
    Reason.REPEATED_FAILURE: f"All fail for the same reason: mend it, {RETRY}, and the failed ones are tried again.",
    Reason.BASELINES_FAILED: (
        f"A checkpoint or a merge of them cannot be scored as it is: mend it, {RETRY}, or start a search without it."
    ),
    Reason.CONFIRMATION_FAILED: f"Mend what keeps them from being scored, {RETRY}.",
    Reason.COMPARISON_FAILED: f"See the log of the comparison, mend what it names, {RETRY}.",
    Reason.CHECKPOINT_CHANGED: (
        f"Restore the checkpoint that was overwritten, {RETRY}; with the new content start a new search, since "
        "scores of both must not be mixed."
    ),
    Reason.TASKS_CHANGED: f"Restore the documents of the task, {RETRY}; with the new ones start a new search.",
    Reason.STORAGE_FULL: f"Make room on the workspace or lower storage.keepBest, {RETRY}.",
    Reason.TOO_FEW_SAMPLES: f"Start a new search with fewer search samples, or give the task more documents, {RETRY}.",
    Reason.NAME_CONFLICT: f"Remove the object of the same name that does not belong to this search, {RETRY}.",
    Reason.DISRUPTED_TOO_OFTEN: (
        f"Ask why the platform ends the processes (priority, memory, node), or wait for quieter times, {RETRY}."
    ),
    Reason.NO_SPACE: f"Make room on the workspace, {RETRY}.",
    Reason.WORKSPACE_UNWRITABLE: f"Make the workspace writable for the processes, {RETRY}.",
    Reason.CHECKPOINT_MISSING: f"Put the checkpoint where the manifest says that it is, {RETRY}.",
}
"""By the reason of the stall; all others get DEFAULT."""

FAILED = (
    "The search has ended; start a new one with a larger budget. What is known of good weights can be given to it as "
    "search.initial."
)
SUSPENDED = "Set spec.suspend to false to go on."


def after_stall(reason: Reason) -> str:
    """The way out of a stall."""
    return STALLED.get(reason, DEFAULT)
