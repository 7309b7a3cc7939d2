"""Which samples the search sees, and which only the confirmation does; pure.

The samples of a task are split leaf by leaf: a seeded permutation of each leaf's documents is cut in two, the first
part for the search and the rest unseen; of the rest the confirmation takes the first `unseenSamples`, in proportion,
where they are bounded. Explicit ranges replace that for a task with one leaf.
"""

from collections.abc import Iterator, Sequence

from mergesearch.api import splits
from mergesearch.api.problem import Problem
from mergesearch.api.spec import HeldOutTask, MergeSearchSpec, ObjectiveTask
from mergesearch.api.status import LeafStatus, MergeSearchStatus, TaskStatus
from mergesearch.contract import SampleSelection, Split, Task


def tasks_of(spec: MergeSearchSpec, status: MergeSearchStatus, split: Split) -> tuple[Task, ...]:
    """The tasks of a split with their samples: held-in ones, and on the unseen split the held-out ones after them.

    Needs a preflight that has passed.
    """
    held_in = len(spec.objective.tasks)
    facts = status.preflight.tasks
    tasks = [
        _task(task, _selections(task, known, spec.search.seed, unseen=split == "unseen"))
        for task, known in zip(spec.objective.tasks, facts[:held_in], strict=True)
    ]
    if split == "unseen":
        tasks += [
            _task(task, _held_out(task, known, spec.search.seed))
            for task, known in zip(spec.held_out.tasks, facts[held_in:], strict=True)
        ]
    return tuple(tasks)


def number(spec: MergeSearchSpec, status: MergeSearchStatus, split: Split) -> int:
    """How many samples a candidate is scored on."""
    return sum(chosen.stop - chosen.start for task in tasks_of(spec, status, split) for chosen in task.samples)


def problems(spec: MergeSearchSpec, facts: tuple[TaskStatus, ...]) -> Iterator[str]:
    """Sentences about tasks that cannot be split as the spec wants, of those of which something is known."""
    found = {known.name: known for known in facts}
    for index, task in enumerate(spec.objective.tasks):
        if task.name in found:
            leaves = found[task.name].leaves
            yield from map(_told, splits.problems(f"spec.objective.tasks[{index}]", task, _total(leaves), len(leaves)))
    for index, held_out in enumerate(spec.held_out.tasks):
        if held_out.name in found:
            total = _total(found[held_out.name].leaves)
            yield from map(_told, splits.held_out_problems(f"spec.heldOut.tasks[{index}]", held_out, total))


def _told(problem: Problem) -> str:
    """What is found stands in the message already."""
    return f"{problem.path}: {problem.message}" + (f"; {problem.allowed}" if problem.allowed else "")


def _total(leaves: Sequence[LeafStatus]) -> int:
    return sum(leaf.total for leaf in leaves)


def unseen_counts(spec: MergeSearchSpec, facts: tuple[TaskStatus, ...]) -> list[int]:
    """Number of unseen samples of each held-in task."""
    return [
        sum(selection.stop - selection.start for selection in _selections(task, known, spec.search.seed, unseen=True))
        for task, known in zip(spec.objective.tasks, facts[: len(spec.objective.tasks)], strict=True)
    ]


def _task(task: HeldOutTask, selections: tuple[SampleSelection, ...]) -> Task:
    return Task(
        name=task.name,
        metric=task.metric,
        filter=task.filter,
        num_fewshot=task.num_fewshot,
        chat_template=task.chat_template,
        samples=selections,
    )


def _whole(leaf: LeafStatus) -> SampleSelection:
    return SampleSelection(leaf=leaf.name, total=leaf.total, start=0, stop=leaf.total, documents=leaf.documents)


def _held_out(task: HeldOutTask, known: TaskStatus, seed: int) -> tuple[SampleSelection, ...]:
    if task.unseen_samples is None:
        return tuple(_whole(leaf) for leaf in known.leaves if leaf.total > 0)
    counts = _in_proportion(task.unseen_samples, [leaf.total for leaf in known.leaves])
    return _seeded(known, [(0, count) for count in counts], seed)


def _selections(task: ObjectiveTask, known: TaskStatus, seed: int, *, unseen: bool) -> tuple[SampleSelection, ...]:
    if task.samples is not None:
        chosen, leaf = (task.samples.unseen if unseen else task.samples.search), known.leaves[0]
        return (_whole(leaf).model_copy(update={"start": chosen.start, "stop": chosen.stop}),)
    totals = [leaf.total for leaf in known.leaves]
    cuts = _in_proportion(splits.searched(task, sum(totals)), totals)
    if not unseen:
        return _seeded(known, [(0, cut) for cut in cuts], seed)
    rests = [total - cut for total, cut in zip(totals, cuts, strict=True)]
    taken = rests if task.unseen_samples is None else _in_proportion(task.unseen_samples, rests)
    return _seeded(known, [(cut, cut + count) for cut, count in zip(cuts, taken, strict=True)], seed)


def _seeded(known: TaskStatus, ranges: Sequence[tuple[int, int]], seed: int) -> tuple[SampleSelection, ...]:
    """These ranges of the leaves' permutations; leaves of which nothing is taken are left out."""
    return tuple(
        _whole(leaf).model_copy(update={"start": start, "stop": stop, "seed": seed})
        for leaf, (start, stop) in zip(known.leaves, ranges, strict=True)
        if start < stop
    )


def _in_proportion(wanted: int, sizes: Sequence[int]) -> list[int]:
    """`wanted`, at most the sum of `sizes`, spread in proportion to them by largest remainders; no more than each."""
    whole = sum(sizes)
    shares = [divmod(wanted * size, whole) for size in sizes]
    counts = [share for share, _ in shares]
    by_remainder = sorted(range(len(sizes)), key=lambda i: (-shares[i][1], i))
    for index in by_remainder[: wanted - sum(counts)]:
        counts[index] += 1
    return counts
