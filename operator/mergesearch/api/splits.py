"""How many documents of a task the search sees, how many the confirmation takes, and whether there are so many; pure.

The numbers alone: which documents these are, the lifecycle decides once the preflight has seen them.
"""

from collections.abc import Iterator

from mergesearch.api.problem import Problem, words
from mergesearch.api.spec import HeldOutTask, ObjectiveTask

Count = int | None
"""None: nobody knows before the documents are counted."""
ROUGH_BELOW = 50
"""Unseen samples of a task, with fewer of which a bootstrap is rough."""
ROUGH = f"with fewer than {ROUGH_BELOW} unseen samples intervals and p are rough"
"""Said by the preflight, and before it."""


def searched(task: ObjectiveTask, total: int) -> int:
    """What the search sees of `total` documents."""
    if task.samples is not None:
        return task.samples.search.stop - task.samples.search.start
    return total // 2 if task.search_samples is None else task.search_samples


def of(task: ObjectiveTask, total: Count) -> tuple[Count, Count]:
    """What the search sees and what the confirmation takes, of `total` documents."""
    if task.samples is not None:
        return searched(task, 0), task.samples.unseen.stop - task.samples.unseen.start
    if total is None:
        return task.search_samples, task.unseen_samples
    search = searched(task, total)
    return search, total - search if task.unseen_samples is None else task.unseen_samples


def held_out(task: HeldOutTask, total: Count) -> Count:
    """What the confirmation takes of a held-out task."""
    return total if task.unseen_samples is None else task.unseen_samples


def problems(place: str, task: ObjectiveTask, total: int, leaves: int) -> Iterator[Problem]:
    """Why a task at this place of a manifest cannot be split as it wants. Where its documents are too few for any
    split, nothing that a manifest could say instead is allowed.
    """
    search = searched(task, total)
    if task.samples is not None:
        stop = max(task.samples.search.stop, task.samples.unseen.stop)
        where = f"{place}.samples"
        if leaves > 1:
            message = f"{task.name} is a group of {leaves} tasks; ranges need a single task"
            yield Problem(where, "ranges", "searchSamples and unseenSamples", message)
        elif stop > total:
            message = f"stop is {stop}, but {task.name} has {_documents(total)}"
            yield Problem(where, words(stop), f"at most {total}", message)
    elif total < 2:
        message = f"{task.name} has {_documents(total)}; at least 2 are needed, one to search and one unseen"
        yield Problem(place, "", "", message)
    elif search >= total:
        all_of_them = f"all {total} documents of {task.name}, which leaves none unseen"
        message = all_of_them if search == total else f"{search}, but {task.name} has {_documents(total)}"
        yield Problem(f"{place}.searchSamples", words(search), f"at most {total - 1}", message)
    elif task.unseen_samples is not None and task.unseen_samples > (rest := total - search):
        wanted, where = task.unseen_samples, f"{place}.unseenSamples"
        message = f"{wanted}, but the search leaves {rest} of the {total} documents of {task.name} unseen"
        rests_on = (f"{place}.searchSamples",)
        yield Problem(where, words(wanted), f"at most {rest}", message, rests_on=rests_on)


def held_out_problems(place: str, task: HeldOutTask, total: int) -> Iterator[Problem]:
    """Why a held-out task cannot be scored as it wants."""
    if not total:
        yield Problem(place, "", "", f"{task.name} has no documents")
    elif task.unseen_samples is not None and task.unseen_samples > total:
        message = f"{task.unseen_samples}, but {task.name} has {_documents(total)}"
        yield Problem(f"{place}.unseenSamples", words(task.unseen_samples), f"at most {total}", message)


def _documents(total: int) -> str:
    return {0: "no documents", 1: "1 document"}.get(total, f"{total} documents")
