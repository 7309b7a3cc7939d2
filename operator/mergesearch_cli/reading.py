"""The commands that only read: `validate`, `status`."""

from pathlib import Path

from rich.console import Console

from mergesearch import files
from mergesearch.api import manifest
from mergesearch.api.resource import MergeSearch
from mergesearch.report import summary
from mergesearch.report.shapes import Summary
from mergesearch_cli import shell, source, texts, view
from mergesearch_cli.runner import Activity
from mergesearch_cli.state import StateFolder

COPY = (
    "No `mergesearch run` has made this folder: it holds a copy of the resource as of its last write. How the search "
    "stands now is known where it runs; this folder is not for `mergesearch run`."
)

GONE = (
    "is gone or no merge any more; `mergesearch run` does not make it again, since the search is complete. "
    "`mergesearch export` writes a configuration of mergekit that does."
)

DOCUMENT = "This is the resource as it was printed; how the search stands now is known where it runs."


def load(file: Path) -> MergeSearch:
    """The manifest in a file, or for `-` in standard input. Raises InvalidManifestError with every problem."""
    return manifest.load(texts.read(file), texts.label(file))


def validate(file: Path, console: Console) -> None:
    """Print that a manifest is good. Raises InvalidManifestError with every problem if it is not."""
    label, examined = texts.label(file), manifest.examine(texts.read(file))
    spec = manifest.accepted(examined, label).spec
    console.print(
        f"{label}: valid; {len(spec.checkpoints)} checkpoints, {len(spec.objective.tasks)} held-in and "
        f"{len(spec.held_out.tasks)} held-out tasks, {spec.search.max_evaluations} evaluations",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    for advice in examined.advice:
        console.print(f"advice: {advice}", markup=False, highlight=False, soft_wrap=True)


def status(path: Path, form: str, console: Console) -> None:
    """Print a search: of a state folder, or of what `kubectl get -o yaml` has printed. Raises InvalidManifestError if
    there is none.
    """
    read = source.read(path)
    resource, state = read.begun, read.state
    if form == "json":
        console.file.write(resource.model_dump_json(by_alias=True, exclude_none=True, indent=2) + "\n")
    elif form == "yaml":
        console.file.write(manifest.dump(resource))
    else:
        held = state is not None and state.is_held()
        console.print(view.picture(resource, Activity(), held=held))
        lines = sentences(summary.summarize(resource, read.place))
        if state is None:
            lines.append(DOCUMENT)
        elif not state.is_of_a_run():
            lines.append(COPY)
        elif not held and not shell.rests(resource):
            again = (
                "work in flight will be started again by"
                if resource.status and resource.status.launches
                else "go on with"
            )
            lines.append(f"No run holds this folder: {again} `mergesearch run`.")
        if state is not None:
            lines += weights(resource, state)
        for line in lines:
            console.print(line, markup=False, highlight=False, soft_wrap=True)


def sentences(found: Summary) -> list[str]:
    """What a search says in words: the verdict, what it has to be read with, and warnings."""
    return [found.verdict, *found.notes, *(f"Warning: {warning}" for warning in found.warnings)]


def weights(resource: MergeSearch, state: StateFolder) -> list[str]:
    """Where the winner's weights lie, or that they are gone; nothing before the search is complete, or where nobody
    knows where its workspace lies. Raises GiveUpError.
    """
    status = resource.status
    if status is None or status.completion_time is None or status.confirmed is None:
        return []
    workspace = state.known_volumes().get(files.WORKSPACE_VOLUME)
    if workspace is None:
        return []
    folder = workspace / status.confirmed.path
    if (folder / files.MERGE_RECORD).is_file():
        return [f"Weights: {folder}"]
    return [f"Weights: {folder} {GONE}"]
