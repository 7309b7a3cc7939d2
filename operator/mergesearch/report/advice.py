"""What a person can do when a search does not go on; pure."""

from enum import StrEnum

from mergesearch.reasons import Reason


class Place(StrEnum):
    """Where a search runs, which decides how a person sends it on."""

    CLUSTER = "cluster"
    MACHINE = "machine"


RETRY = {
    Place.CLUSTER: "then set spec.retry to a new value",
    Place.MACHINE: "then run the same `mergesearch run` command with --retry",
}
"""The way on after a stall."""
KEPT = "; all scores so far are kept"
DEFAULT = "Mend what the message names, {retry}."

STALLED: dict[Reason, str] = {
    Reason.INVALID_SPEC: (
        "Mend what may change, {retry}. What may not change needs a new search: delete this one, mend the manifest and "
        "start it again; `mergesearch validate` prints the same problems."
    ),
    Reason.PREFLIGHT_FAILED: (
        "Mend what the preflight names, or see its log, {retry}. A name or path that is wrong in the manifest needs a "
        "new search: the tasks and checkpoints of this one cannot be changed."
    ),
    Reason.TOO_MANY_FAILURES: "See why the candidates fail, mend it or raise search.maxFailures, {retry}.",
    Reason.GENERATION_FAILED: "See why the candidates fail and mend it, {retry}, and the failed ones are tried again.",
    Reason.REPEATED_FAILURE: "All fail for the same reason: mend it, {retry}, and the failed ones are tried again.",
    Reason.BASELINES_FAILED: (
        "A checkpoint or a merge of them cannot be scored as it is: mend it, {retry}, or start a search without it."
    ),
    Reason.CONFIRMATION_FAILED: "Mend what keeps them from being scored, {retry}.",
    Reason.COMPARISON_FAILED: "See the log of the comparison, mend what it names, {retry}.",
    Reason.CHECKPOINT_CHANGED: (
        "Restore the checkpoint that was overwritten, {retry}; with the new content start a new search, since "
        "scores of both must not be mixed."
    ),
    Reason.TASKS_CHANGED: "Restore the documents of the task, {retry}; with the new ones start a new search.",
    Reason.STORAGE_FULL: "Make room on the workspace or lower storage.keepBest, {retry}.",
    Reason.TOO_FEW_SAMPLES: (
        "The sample counts of a search cannot change: start a new one with smaller ones, or give the task more "
        "documents, {retry}."
    ),
    Reason.NAME_CONFLICT: "Remove the object of the same name that does not belong to this search, {retry}.",
    Reason.DISRUPTED_TOO_OFTEN: (
        "Ask why the platform ends the processes (priority, memory, node), or wait for quieter times, {retry}."
    ),
    Reason.NO_SPACE: (
        "Make room on the workspace, {retry}. A lower storage.keepBest helps where it is above "
        "search.confirm.finalists; for a lower storage.maxPending or fewer finalists start a new search."
    ),
    Reason.OUT_OF_MEMORY: (
        "Where the machine has too little memory, give it more, {retry}. What a search allows its processes cannot "
        "change: for more in merger.resources, or a smaller merger.batch, start a new one."
    ),
    Reason.WORKSPACE_UNWRITABLE: "Make the workspace writable for the processes, {retry}.",
    Reason.IMAGE_UNAVAILABLE: (
        "Push the image under the name that the message says, or mend the registry or the secret for it: the search "
        "goes on by itself. To have another pod at once, do so, {retry}."
    ),
    Reason.VOLUME_UNAVAILABLE: (
        "Make the claim that the message names, or mend its volume: the search goes on by itself. To have another pod "
        "at once, do so, {retry}."
    ),
    Reason.POD_NOT_STARTED: (
        "`kubectl describe pods -l batch.kubernetes.io/job-name=JOB`, with the Job that the message names, says what "
        "it waits for, such as a volume, a secret or a very large image: mend that, and the search goes on by itself. "
        "To have another pod at once, do so, {retry}."
    ),
    Reason.CHECKPOINT_MISSING: (
        "Put the checkpoint where the manifest says that it is, {retry}. Where the manifest is wrong a new search is "
        "needed: the checkpoints of this one cannot be changed."
    ),
    Reason.TASK_UNKNOWN: (
        "Where the name is wrong a new search is needed: the tasks of this one cannot be changed, and a retry finds "
        "the same. Where its file is missing or broken, put it right on the volume of the tasks, {retry}."
    ),
    Reason.TASK_UNREADABLE: (
        "Mend the file of the task that the message names, {retry}. Where the manifest names the wrong task a new "
        "search is needed: the tasks of this one cannot be changed."
    ),
    Reason.DATA_SET_UNREACHABLE: (
        "Nothing is wrong with the task. Let the evaluators reach the hub, or put what the message names into their "
        "cache (HF_HOME), {retry}. On a cluster evaluator.template.env cannot change: for another HF_HOME, HF_TOKEN or "
        "HF_HUB_OFFLINE start a new search; data sets and tokens have a section in docs/operations.md."
    ),
    Reason.METRIC_MISSING: (
        "Where the metric or filter is wrong in the manifest a new search is needed: the tasks of this one cannot be "
        "changed. Where the task should have it, mend the file of the task, {retry}."
    ),
    Reason.METRIC_UNSUPPORTED: (
        "Another metric needs a new search: the tasks of this one cannot be changed. Or give the task of your own one "
        "that is supported, under the same name, {retry}."
    ),
}
"""By the reason of the stall; all others get DEFAULT."""
BEFORE_SCORES: dict[tuple[Reason, Place], str] = {
    (Reason.TOO_FEW_SAMPLES, Place.MACHINE): (
        "Ask for smaller sample counts in the manifest and run the same command again, without --retry; or give the "
        "task more documents, {retry}."
    ),
    (Reason.NO_SPACE, Place.MACHINE): (
        "Make room on the workspace, {retry}. Or lower storage.maxPending in the manifest, or the larger of "
        "storage.keepBest and search.confirm.finalists, and run the same command again, without --retry."
    ),
    **{
        (reason, Place.MACHINE): (
            "What is wrong in the manifest, such as a name or a path: mend it there and run the same command again, "
            "without --retry. What is wrong elsewhere, such as in a file, with space or a network: mend that, {retry}."
        )
        for reason in (
            Reason.PREFLIGHT_FAILED,
            Reason.CHECKPOINT_MISSING,
            Reason.TASK_UNKNOWN,
            Reason.TASK_UNREADABLE,
            Reason.METRIC_MISSING,
            Reason.METRIC_UNSUPPORTED,
        )
    },
    (Reason.DATA_SET_UNREACHABLE, Place.MACHINE): (
        "Nothing is wrong in the manifest. Give this machine a network that reaches the hub, with HF_HUB_OFFLINE and "
        "HF_DATASETS_OFFLINE unset, a token in HF_TOKEN where the data set asks for one, or a cache that holds it in "
        "HF_HOME, {retry}; data sets and tokens have a section in docs/operations.md."
    ),
}
"""What is advised instead while nothing is scored: on one machine the manifest can still be edited then."""

FAILED = (
    "The search has ended; start a new one with a larger budget. What is known of good weights can be given to it as "
    "search.initial."
)
SUSPENDED = {
    Place.CLUSTER: "Set spec.suspend to false to go on.",
    Place.MACHINE: "Set spec.suspend to false in the manifest and run the same `mergesearch run` command to go on.",
}


def after_stall(reason: Reason, place: Place, *, scored: bool) -> str:
    """The way out of a stall; `scored` says whether there is anything to keep."""
    way = RETRY[place] + (KEPT if scored else "")
    words = STALLED.get(reason, DEFAULT)
    if not scored:
        words = BEFORE_SCORES.get((reason, place), words)
    return words.format(retry=way)
