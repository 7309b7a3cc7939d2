"""`mergesearch plan`: what a search will cost, from the manifest and, where the checkpoints are at hand, from their
sizes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mergesearch.api.base import bytes_of
from mergesearch.api.resource import MergeSearch
from mergesearch.api.spec import MergeSearchSpec
from mergesearch.errors import InvalidManifestError, InvalidRequestError
from mergesearch.files import resolve_inside
from mergesearch.lifecycle import phrases, provable, timing
from mergesearch.lifecycle.forecast import Forecast, forecast
from mergesearch.reasons import Reason
from mergesearch_cli import reading, volumes, words

WEIGHTS = "*.safetensors"
MORE = {
    True: "add --unseen-samples, all documents of all tasks less those that the search sees.",
    False: "give searchSamples to all tasks, and add --unseen-samples.",
}
"""What to add, by whether the samples of the search are known."""


@dataclass(frozen=True)
class Given:
    """What a person has measured, or knows of their tasks."""

    seconds: float | None
    """Of one evaluation on the samples of the search."""
    unseen: int | None
    """Samples of one confirmation."""
    bandwidth: float
    """Bytes per second that the volumes deliver."""


def plan(file: Path, volume: Sequence[str], given: Given, console: Console) -> None:
    """Print evaluations, processes, bytes, disk, time and GPU-hours to expect. Raises InvalidManifestError."""
    resource = reading.load(file)
    sizes = checkpoint_bytes(resource.spec, volumes.parse(volume))
    total = sum(sizes.values())
    # One merge is as large as one of its inputs where these have its data type; the preflight knows it exactly.
    output = max(sizes.values(), default=0)
    searched = timing.search_samples(resource.spec)
    unseen, left_aside = _unseen(resource.spec, given.unseen)
    dearer = timing.dearer(resource.spec, searched, unseen)
    found = forecast(
        resource.spec,
        total,
        output,
        evaluation_seconds=given.seconds,
        dearer=dearer or 1.0,
        bytes_per_second=given.bandwidth,
    )
    console.print(_table(resource, found, known=bool(sizes), at_least=dearer is None))
    lines = [] if sizes else ["Bytes: add --volume checkpoints=DIR."]
    lines.extend(_about_slices(resource.spec, output, timed=given.seconds is not None))
    lines += [*_about_time(given.seconds, searched, unseen, dearer), *left_aside, *_about_proof(resource.spec)]
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _unseen(spec: MergeSearchSpec, given: int | None) -> tuple[int | None, list[str]]:
    """Samples of one confirmation, and why they are not those that a person gives: the rest of the page rests on what
    the manifest says.
    """
    known, least = timing.unseen_samples(spec), timing.least_unseen_samples(spec)
    if given is None or given == known or (known is None and given >= least):
        return given if known is None else known, []
    more = "" if known is not None else " of some tasks alone"
    return known, [f"--unseen-samples {given:,} is left aside: the manifest says that there are {least:,}{more}."]


def _about_slices(spec: MergeSearchSpec, output: int, *, timed: bool) -> list[str]:
    """What the pods that share a merge find to do; `output` is the size of a merge, 0 where nobody knows it."""
    wanted, largest = spec.merger.slices, bytes_of(spec.merge.max_shard_size)
    if wanted == 1:
        return []
    shards = math.ceil(output / largest)
    lines = []
    if 0 < shards < wanted:
        lines.append(
            f"Slices: a merge of {words.size(output)} makes about {phrases.count(shards, 'shard')} of "
            f"{words.size(largest)}, and each of {wanted} pods takes whole shards: about {wanted - shards} of them "
            "will have nothing to do. Lower merge.maxShardSize or merger.slices."
        )
    if timed:
        lines.append("The time to merge is that of --bandwidth for all pods together: slices do not shorten it here.")
    return lines


def _about_time(seconds: float | None, searched: int | None, unseen: int | None, dearer: float | None) -> list[str]:
    """What the time is measured on and what it does not hold."""
    some = "the samples" if searched is None else f"the {phrases.count(searched, 'sample')}"
    measured = f"of one checkpoint on {some} that the search sees of all tasks, on one evaluator that is up"
    if seconds is None:
        lines = [f"Time and GPU-hours: add --evaluation-seconds, as measured {measured}."]
    else:
        lines = [
            f"Time: --evaluation-seconds is that {measured}. The preflight, and the start of an engine for each Job of "
            "evaluations, come on top."
        ]
    if dearer is not None:
        if searched is not None and unseen is not None:
            long = f"{dearer:.1f} times as long" if unseen >= searched else "and is taken to be as long"
            each = f"{phrases.count(unseen, 'sample')}, {long} as an evaluation of the search"
            lines.append(f"Each confirmation scores {each}.")
        return lines
    lines.append(
        "Each confirmation scores all unseen samples and the held-out tasks. How many these are only the preflight "
        "counts, and until then a confirmation is taken to be as long as an evaluation of the search, which it may "
        "exceed many times: " + MORE[searched is not None]
    )
    return lines


def _about_proof(spec: MergeSearchSpec) -> list[str]:
    """The samples that are reckoned with, and the smallest gain that they can prove."""
    shares = provable.expected(spec)
    held_out = [_held_out(task.name, timing.held_out_samples(spec, task)) for task in spec.held_out.tasks]
    lines = ["Samples of each task: " + "; ".join([*map(_share, shares), *held_out]) + "."]
    lines += [f"Few samples: {few}." for few in provable.rough(spec, [share.unseen for share in shares])]
    unseen = [share.unseen for share in shares if share.unseen is not None]
    if len(unseen) == len(shares):
        return [*lines, f"Smallest provable gain: {provable.told(spec, unseen)}."]
    unknown = phrases.listed([share.task for share in shares if share.unseen is None])
    return [
        *lines,
        f"Smallest provable gain: not known before the preflight has counted the documents of {unknown}. "
        "unseenSamples of each task tells it now.",
    ]


def _share(share: provable.Share) -> str:
    """`ifeval 270 to search and 271 unseen`."""
    search = "half of its documents" if share.search is None else f"{share.search:,}"
    unseen = "all others" if share.unseen is None else f"{share.unseen:,}"
    return f"{share.task} {search} to search and {unseen} unseen"


def _held_out(name: str, number: int | None) -> str:
    """`gsm8k 1,319 held out`."""
    return f"{name} {'all of its documents' if number is None else f'{number:,}'} held out"


def checkpoint_bytes(spec: MergeSearchSpec, folders: dict[str, Path]) -> dict[str, int]:
    """Size of each checkpoint's weights by name; empty if their volume is not given. Raises InvalidManifestError."""
    volumes.check_inputs(spec, folders)
    if not {source.volume for source in spec.checkpoints} <= set(folders):
        return {}
    sizes, missing = {}, []
    for source in spec.checkpoints:
        try:
            folder = resolve_inside(folders[source.volume], source.path)
        except InvalidRequestError as error:
            missing.append(f"checkpoint {source.name}: {error.message}")
            continue
        sizes[source.name] = sum(path.stat().st_size for path in folder.glob(WEIGHTS) if path.is_file())
        if not sizes[source.name]:
            why = f"this folder holds no {WEIGHTS}" if folder.is_dir() else "there is no such folder"
            missing.append(f"checkpoint {source.name}: {folder}: {why}")
    if missing:
        raise InvalidManifestError("\n".join(missing), reason=Reason.CHECKPOINT_MISSING)
    return sizes


def _table(resource: MergeSearch, found: Forecast, *, known: bool, at_least: bool) -> Table:
    spec = resource.spec
    table = Table.grid(padding=(0, 2))
    table.add_row("evaluations", str(found.evaluations))
    twice = ", one checkpoint twice for the noise floor" if "Checkpoints" in spec.search.baselines else ""
    table.add_row("  baselines", f"{found.baselines}{twice}")
    table.add_row("  search", f"{found.candidates}")
    table.add_row("  confirmation", f"{found.confirmations} on unseen samples and held-out tasks")
    table.add_row("merges", str(found.merges))
    evaluators = phrases.count(spec.search.parallelism, "evaluator")
    busy = timing.evaluators(spec)
    table.add_row("on one machine", f"1 merger and {evaluators}: processes that start once and stay for the whole run")
    shared = f" of {spec.merger.slices} pods each" if spec.merger.slices > 1 else ""
    table.add_row(
        "on a cluster",
        f"{phrases.count(found.merger_processes, 'merger Job')}{shared}, "
        f"{phrases.count(found.evaluator_processes, 'other Job')} "
        f"(evaluations, preflight, comparison, clean-up); at most {evaluators} at once",
    )
    table.add_row("waiting", f"at most {phrases.count(spec.storage.max_pending, 'merge')} for an evaluator")
    if busy < spec.search.parallelism:
        batch = f" in batches of {spec.evaluator.batch}" if spec.evaluator.batch > 1 else ""
        table.add_row("", f"so that {busy} of {evaluators} find work at once{batch}: raise storage.maxPending")
    if known:
        table.add_row("read", words.size(found.bytes_read))
        table.add_row(
            "written",
            f"{words.size(found.bytes_written)} in shards of {words.size(bytes_of(spec.merge.max_shard_size))}",
        )
        table.add_row("workspace", f"{words.size(found.workspace_bytes)} at most at any time")
    few = "at least " if at_least else ""
    if found.seconds is not None:
        table.add_row("time", few + words.duration(found.seconds))
    if found.gpu_hours:
        limit = spec.search.max_gpu_hours
        table.add_row("GPU-hours", f"{few}{found.gpu_hours:.1f}" + (f", limit {limit}" if limit is not None else ""))
    return table
