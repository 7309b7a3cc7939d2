"""`mergesearch export`: one folder with what somebody else needs to use a merge, to make it again and to judge it."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from mergesearch import files
from mergesearch.errors import GiveUpError, InvalidManifestError
from mergesearch.export import card, documents, recipe, subject
from mergesearch.export.subject import Subject
from mergesearch.files import WORKSPACE_VOLUME
from mergesearch.reasons import Reason
from mergesearch_cli import source, volumes
from mergesearch_cli.source import Source


def export(
    path: Path,
    output: Path,
    candidate: str | None,
    volume: Sequence[str],
    base_model: Sequence[str],
    console: Console,
    *,
    with_weights: bool,
) -> None:
    """Write the folder. Raises InvalidManifestError, GiveUpError."""
    read = source.read(path)
    chosen = subject.choose(read.only, candidate, read.place)
    folders = _folders(read, volume)
    texts = documents.documents(chosen, folders, _bases(chosen, base_model))
    weights = _weights(chosen, folders) if with_weights else None
    _write(output, texts, weights)
    _say(console, chosen, folders, output, weights)


def _folders(read: Source, volume: Sequence[str]) -> dict[str, Path]:
    """Where the volumes lie: as given, else where the run on this machine had them."""
    given = volumes.parse(volume)
    known = read.state.known_volumes() if read.state is not None else {}
    spec = read.only.spec
    wanted = [*volumes.read_only(spec), WORKSPACE_VOLUME]
    unknown = [name for name in given if name not in wanted]
    if unknown:
        raise _wrong(f"--volume {unknown[0]}: the search has no such volume; it has {', '.join(wanted)}")
    return {**known, **given}


def _bases(chosen: Subject, given: Sequence[str]) -> dict[str, str]:
    """Ids on the hub by the names of checkpoints."""
    names = [entry.name for entry in chosen.sources]
    found: dict[str, str] = {}
    for text in given:
        name, separator, identity = text.partition("=")
        if not (separator and identity.strip()):
            raise _wrong(f"--base-model {text}: this is not NAME=ID, such as {names[0]}=my-team/{names[0]}")
        if name not in names:
            raise _wrong(f"--base-model {text}: the search has no such checkpoint; it has {', '.join(names)}")
        found[name] = identity.strip()
    return found


def _weights(chosen: Subject, folders: Mapping[str, Path]) -> Path:
    """The folder of the merge on the workspace, if it holds this merge. Raises InvalidManifestError."""
    if WORKSPACE_VOLUME not in folders:
        raise _wrong(f"--with-weights: where the workspace lies is not known; add --volume {WORKSPACE_VOLUME}=DIR")
    folder = folders[WORKSPACE_VOLUME] / (
        chosen.path or files.merge_folder(chosen.resource.metadata.uid, chosen.record.same_as or chosen.id).as_posix()
    )
    again = f"`mergekit-yaml {recipe.FILE}` makes it again; export without --with-weights"
    try:
        record = json.loads((folder / files.MERGE_RECORD).read_bytes())
    except (OSError, ValueError) as error:
        raise _wrong(f"--with-weights: {folder}: there is no merge; {again}") from error
    expected = {entry.name: entry.weight for entry in chosen.sources}
    if not isinstance(record, dict) or record.get("weights") != expected:
        raise _wrong(f"--with-weights: {folder}: holds a merge with other weights than {chosen.id}; {again}")
    confirmed = chosen.status.confirmed
    known = confirmed.weights_digest if chosen.is_winner and confirmed is not None else None
    if known is not None and record.get("weightsDigest") != known:
        raise _wrong(f"--with-weights: {folder}: is not the merge that was confirmed, by its digest; {again}")
    return folder


def _write(output: Path, texts: Mapping[str, str], weights: Path | None) -> None:
    """All files or none: they are written beside the folder, which then gets its name."""
    output = output.absolute()
    if output.is_dir() and any(output.iterdir()):
        raise _wrong(f"--output {output}: this folder is not empty; name one that is, or that does not exist")
    if output.exists() and not output.is_dir():
        raise _wrong(f"--output {output}: this is a file; name a folder")
    temporary = files.temporary_sibling(output)
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        for file in sorted(weights.iterdir()) if weights is not None else ():
            if file.is_file():
                shutil.copy2(file, temporary / file.name)
        for name, text in texts.items():
            files.write_atomically(temporary / name, text)
        temporary.rename(output)  # also in the place of an empty folder
        files.fsync_folder(output.parent)
    except OSError as error:
        why = error.strerror or str(error)
        message = f"--output {output}: cannot be written: {why}; mend that, or name another folder"
        raise GiveUpError(message, reason=Reason.WORKSPACE_UNWRITABLE) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _say(console: Console, chosen: Subject, folders: Mapping[str, Path], output: Path, weights: Path | None) -> None:
    lines = [f"{output}: {chosen.id} of {chosen.summary.name}", chosen.summary.verdict]
    if weights is None:
        where = chosen.path and f", which lie in {chosen.path} on the workspace"
        lines.append(f"{card.FILE} belongs beside the merged weights{where or ''}; --with-weights copies them.")
    unknown = recipe.unknown_volumes(chosen, folders)
    if unknown:
        options = " ".join(f"--volume {name}=DIR" for name in unknown)
        lines.append(f"Paths in {recipe.FILE} are VOLUME/FOLDER; with {options} they are whole.")
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _wrong(message: str) -> InvalidManifestError:
    return InvalidManifestError(message, reason=Reason.MALFORMED_REQUEST)
