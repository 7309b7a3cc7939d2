"""Facts about a search's name, checkpoints, tasks and samples; pure."""

import posixpath
import re
from collections.abc import Iterator, Sequence
from typing import Literal

from mergesearch.api import base, spec
from mergesearch.api.problem import Problem, listing, nearest, repeated, words
from mergesearch.api.resource import MergeSearch

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


def name_leaves_room_for_children(resource: MergeSearch) -> Iterator[Problem]:
    """The names of Jobs begin with it and have to fit into 63 characters."""
    name = resource.metadata.name
    if len(name) > spec.MAX_NAME or not _LABEL.fullmatch(name):
        allowed = f"1 to {spec.MAX_NAME} lower-case letters, digits and -, with a letter or digit at both ends"
        found = f"{words(name)}, {len(name)} characters" if len(name) > spec.MAX_NAME else words(name)
        yield Problem("metadata.name", found, allowed, "this name does not fit, the names of Jobs begin with it")


def checkpoint_names_are_unique(resource: MergeSearch) -> Iterator[Problem]:
    """Weights and tables refer to checkpoints by name."""
    names = [checkpoint.name for checkpoint in resource.spec.checkpoints]
    for index, first in repeated(names):
        other = f"spec.checkpoints[{first}].name"
        message = f"{other} has this name already"
        yield Problem(
            f"spec.checkpoints[{index}].name", words(names[index]), "names that differ", message, rests_on=(other,)
        )


def checkpoints_are_different_folders(resource: MergeSearch) -> Iterator[Problem]:
    """The same weights twice would only make the search larger."""
    folders = [(one.volume, posixpath.normpath(one.path)) for one in resource.spec.checkpoints]
    for index, first in repeated(folders):
        here, other = f"spec.checkpoints[{index}]", f"spec.checkpoints[{first}]"
        yield Problem(
            f"{here}.path",
            words(resource.spec.checkpoints[index].path),
            "a folder for each checkpoint",
            f"{other} is the same folder of the same volume",
            rests_on=(f"{here}.volume", f"{other}.path", f"{other}.volume"),
        )


def tokenizer_comes_from_a_checkpoint(resource: MergeSearch) -> Iterator[Problem]:
    """It is copied from one of the inputs."""
    names = [checkpoint.name for checkpoint in resource.spec.checkpoints]
    wanted = resource.spec.merge.tokenizer_from
    if wanted is not None and wanted not in names:
        yield Problem(
            "spec.merge.tokenizerFrom",
            words(wanted),
            listing(names),
            "no checkpoint has this name",
            nearest(wanted, names),
            rests_on=("spec.checkpoints[*].name", "spec.checkpoints.length"),
        )


def task_names_are_unique(resource: MergeSearch) -> Iterator[Problem]:
    """A task is either optimised or held out, and once."""
    places = [f"spec.objective.tasks[{index}].name" for index in range(len(resource.spec.objective.tasks))]
    places += [f"spec.heldOut.tasks[{index}].name" for index in range(len(resource.spec.held_out.tasks))]
    names = [task.name for task in (*resource.spec.objective.tasks, *resource.spec.held_out.tasks)]
    for index, first in repeated(names):
        crossed = places[index].startswith("spec.heldOut") and places[first].startswith("spec.objective")
        message = f"{places[first]} is this task already" + (", so it is not held out" if crossed else "")
        yield Problem(places[index], words(names[index]), "each task once", message, rests_on=(places[first],))


def task_names_are_file_names(resource: MergeSearch) -> Iterator[Problem]:
    """The per-sample scores of a task lie in a file of its name."""
    parts: tuple[tuple[Literal["objective", "heldOut"], Sequence[spec.HeldOutTask]], ...] = (
        ("objective", resource.spec.objective.tasks),
        ("heldOut", resource.spec.held_out.tasks),
    )
    for part, tasks in parts:
        for index, task in enumerate(tasks):
            if not re.fullmatch(r"[^\s/.,\x00-\x1f][^\s/,\x00-\x1f]*", task.name):
                where = f"spec.{part}.tasks[{index}].name"
                allowed = "a name without spaces, / and commas, not beginning with ."
                yield Problem(where, words(task.name), allowed, "lm-eval has no such task, and files carry its name")
            for field, value in (("metric", task.metric), ("filter", task.filter)):
                if not value.strip():
                    yield Problem(f"spec.{part}.tasks[{index}].{field}", words(value), "a name", "this name is empty")


def tasks_are_named_once(resource: MergeSearch) -> Iterator[Problem]:
    """By a preset of all of them, or one by one. What a preset of all names has taken its place already."""
    objective = resource.spec.objective
    if objective.preset is not None:
        yield Problem(
            "spec.objective.preset",
            f"{words(objective.preset)}, and tasks beside it",
            "one of preset or tasks; a task may have a preset of its own",
            "the tasks are chosen twice",
            rests_on=("spec.objective.tasks.presence",),
        )


def samples_are_chosen_once(resource: MergeSearch) -> Iterator[Problem]:
    """Numbers of seeded samples, or explicit ranges."""
    for index, task in enumerate(resource.spec.objective.tasks):
        counts = (("searchSamples", task.search_samples), ("unseenSamples", task.unseen_samples))
        for field, count in counts if task.samples is not None else ():
            if count is not None:
                where = f"spec.objective.tasks[{index}]"
                yield Problem(
                    f"{where}.{field}",
                    f"{count}, and samples beside it",
                    f"one of {field} or samples",
                    "the samples are chosen twice",
                    rests_on=(f"{where}.samples.presence",),
                )


def sample_ranges_are_apart(resource: MergeSearch) -> Iterator[Problem]:
    """What confirms the winner must not have been seen by the search."""
    for index, task in enumerate(resource.spec.objective.tasks):
        if task.samples is None:
            continue
        where = f"spec.objective.tasks[{index}].samples"
        search, unseen = task.samples.search, task.samples.unseen
        empty = [(name, one) for name, one in (("search", search), ("unseen", unseen)) if one.start >= one.stop]
        for name, one in empty:
            yield Problem(
                f"{where}.{name}",
                f"start {one.start}, stop {one.stop}",
                "a start below the stop",
                "this range is empty",
                rests_on=(f"{where}.{name}.start", f"{where}.{name}.stop"),
            )
        if not empty and search.start < unseen.stop and unseen.start < search.stop:
            yield Problem(
                f"{where}.unseen",
                f"{unseen.start} to {unseen.stop}, while the search sees {search.start} to {search.stop}",
                "ranges without a common sample",
                "the search would see samples that are to confirm it",
                rests_on=(f"{where}.search", f"{where}.unseen"),
            )


def skipped_weights_leave_some(resource: MergeSearch) -> Iterator[Problem]:
    """The largest of N weights is at least 1/N, so a threshold below that never empties a merge."""
    threshold, count = resource.spec.merge.skip_below, len(resource.spec.checkpoints)
    if base.number_of(threshold) >= 1 / count:
        message = f"all {count} weights of a merge could lie below this"
        allowed = f'a number below 1/{count}, such as the default "0.001"'
        yield Problem("spec.merge.skipBelow", words(threshold), allowed, message, rests_on=("spec.checkpoints.length",))
