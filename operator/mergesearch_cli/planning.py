"""`mergesearch plan`: what a search will cost, from the manifest and, where the checkpoints are at hand, from their
sizes.
"""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mergesearch.api.base import bytes_of
from mergesearch.api.resource import MergeSearch
from mergesearch.api.spec import MergeSearchSpec
from mergesearch.errors import InvalidManifestError, InvalidRequestError
from mergesearch.files import resolve_inside
from mergesearch.lifecycle.forecast import Forecast, forecast
from mergesearch.reasons import Reason
from mergesearch_cli import reading, volumes, words

WEIGHTS = "*.safetensors"


def plan(file: Path, volume: Sequence[str], seconds: float | None, bandwidth: float, console: Console) -> None:
    """Print evaluations, processes, bytes, disk, time and GPU-hours to expect. Raises InvalidManifestError."""
    resource = reading.load(file)
    sizes = checkpoint_bytes(resource.spec, volumes.parse(volume))
    total = sum(sizes.values())
    # One merge is as large as one of its inputs where these have its data type; the preflight knows it exactly.
    output = max(sizes.values(), default=0)
    found = forecast(resource.spec, total, output, evaluation_seconds=seconds, bytes_per_second=bandwidth)
    console.print(_table(resource, found, known=bool(sizes)))
    if not sizes:
        console.print("Bytes: add --volume checkpoints=DIR.", markup=False)
    if seconds is None:
        console.print("Time and GPU-hours: add --evaluation-seconds, as measured for one checkpoint.", markup=False)


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


def _table(resource: MergeSearch, found: Forecast, *, known: bool) -> Table:
    spec = resource.spec
    table = Table.grid(padding=(0, 2))
    table.add_row("evaluations", str(found.evaluations))
    twice = ", one checkpoint twice for the noise floor" if "Checkpoints" in spec.search.baselines else ""
    table.add_row("  baselines", f"{found.baselines}{twice}")
    table.add_row("  search", f"{found.candidates}")
    table.add_row("  confirmation", f"{found.confirmations} on unseen samples and held-out tasks")
    table.add_row("merges", str(found.merges))
    evaluators = words.count(spec.search.parallelism, "evaluator")
    table.add_row("on one machine", f"1 merger and {evaluators}: processes that start once and stay for the whole run")
    table.add_row(
        "on a cluster",
        f"{words.count(found.merger_processes, 'merger Job')}, {words.count(found.evaluator_processes, 'other Job')} "
        f"(evaluations, preflight, comparison, clean-up); at most {evaluators} at once",
    )
    table.add_row("waiting", f"at most {words.count(spec.storage.max_pending, 'merge')} for an evaluator")
    if known:
        table.add_row("read", words.size(found.bytes_read))
        table.add_row(
            "written",
            f"{words.size(found.bytes_written)} in shards of {words.size(bytes_of(spec.merge.max_shard_size))}",
        )
        table.add_row("workspace", f"{words.size(found.workspace_bytes)} at most at any time")
    if found.seconds is not None:
        table.add_row("time", words.duration(found.seconds))
    if found.gpu_hours:
        limit = spec.search.max_gpu_hours
        table.add_row("GPU-hours", f"{found.gpu_hours:.1f}" + (f", limit {limit}" if limit is not None else ""))
    return table
