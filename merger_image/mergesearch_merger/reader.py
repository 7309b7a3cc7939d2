"""Reads a checkpoint: which files count, their headers, its config; never a tensor's data.

Everything that is wrong with it is found at once, as far as one problem does not hide the next.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mergesearch import contract, fingerprint
from mergesearch.reasons import Reason
from mergesearch.worker import Volumes
from mergesearch_merger import folder as folders
from mergesearch_merger import header, layout
from mergesearch_merger.checkpoint import Checkpoint, Place, WeightFile
from mergesearch_merger.findings import Finding, names


def read(checkpoint: contract.Checkpoint, volumes: Volumes) -> tuple[Checkpoint | None, tuple[Finding, ...]]:
    """The checkpoint, or the problems that keep it from being read. Raises OSError where the disk fails."""
    try:
        folder = folders.find(checkpoint, volumes)
        folders.refuse_other_formats(folder)
        config = folders.json_document(folder, fingerprint.CONFIG_FILE)
        members, index = _members(folder)
        weight_files = _weight_files(folder, members)
        places = _places(folder, weight_files, members, index)
        carried = fingerprint.companions(folder.entries, config)
        carried_paths = {name: folders.regular(folder, name) for name in carried}
        found = Checkpoint(
            name=checkpoint.name,
            label=folder.label,
            folder=folder.path,
            files=weight_files,
            places=places,
            config=config,
            companions=carried_paths,
            print_files=_print_files(folder, weight_files, [*carried, fingerprint.CONFIG_FILE]),
        )
    except folders.FolderError as error:
        return None, error.findings
    return found, ()


def _members(folder: folders.Folder) -> tuple[tuple[str, ...], Mapping[str, str] | None]:
    """Names of the weight files, and the index where there is one. Raises folders.FolderError."""
    if layout.INDEX_FILE not in folder:
        if layout.SINGLE_FILE in folder:
            return (layout.SINGLE_FILE,), None
        others = [name for name in folder.entries if name.endswith(".safetensors")]
        raise folders.unreadable(
            f"{folder.label}: no {layout.SINGLE_FILE} and no {layout.INDEX_FILE}; there is {names(others)}"
        )
    index = folders.json_document(folder, layout.INDEX_FILE).get("weight_map")
    label = f"{folder.label}/{layout.INDEX_FILE}"
    if not isinstance(index, dict) or not index or not all(isinstance(file, str) for file in index.values()):
        raise folders.unreadable(f"{label}: weight_map is not an object of tensor names and file names")
    members = tuple(sorted(set(index.values())))
    if layout.SINGLE_FILE in folder and layout.SINGLE_FILE not in members:
        raise folders.unreadable(
            f"{folder.label}: {layout.SINGLE_FILE} lies beside an index of other files; remove one"
        )
    outside = [name for name in members if Path(name).name != name]
    if outside:
        raise folders.FolderError(
            Finding(f"{label}: names {names(outside)}, not beside it", Reason.PATH_OUTSIDE_VOLUME)
        )
    missing = [name for name in members if name not in folder]
    if missing:
        raise folders.unreadable(
            f"{folder.label}: {len(missing)} of the {len(members)} shards in {layout.INDEX_FILE} are missing: "
            f"{names(missing)}"
        )
    return members, index


def _weight_files(folder: folders.Folder, members: Sequence[str]) -> tuple[WeightFile, ...]:
    """All weight files with their headers. Raises folders.FolderError with the problems of all of them."""
    found: list[WeightFile] = []
    problems: list[Finding] = []
    for name in members:
        try:
            found.append(_weight_file(f"{folder.label}/{name}", folders.regular(folder, name)))
        except folders.FolderError as error:
            problems.extend(error.findings)
    if problems:
        raise folders.FolderError(*problems)
    return tuple(found)


def _weight_file(label: str, path: Path) -> WeightFile:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            length = header.parse_length(file.read(header.LENGTH_BYTES), status.st_size)
            document = file.read(length)
        tensors = header.parse(document, status.st_size)
    except PermissionError as error:
        raise folders.unreadable(f"{label}: {error.strerror}") from error
    except header.HeaderError as error:
        raise folders.unreadable(f"{label}: {error}") from error
    return WeightFile(
        label=label,
        path=path,
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        header_digest=hashlib.sha256(document).hexdigest(),
        tensors=tensors,
    )


def _places(
    folder: folders.Folder, weight_files: Sequence[WeightFile], members: Sequence[str], index: Mapping[str, str] | None
) -> Mapping[str, Place]:
    """Where each tensor lies. Raises folders.FolderError where index and files contradict each other."""
    places: dict[str, Place] = {}
    problems: list[Finding] = []
    for number, file in enumerate(weight_files):
        for tensor in file.tensors:
            if index is None or index.get(tensor.name) == members[number]:
                places[tensor.name] = Place(number, tensor)
            else:
                said = index.get(tensor.name)
                where = f"the index places it in {said}" if said else "the index does not name it"
                problems.append(folders.finding(f"{file.label}: holds tensor {tensor.name!r}, but {where}"))
    problems.extend(
        folders.finding(f"{folder.label}/{layout.INDEX_FILE}: places tensor {name!r} in {file}, where it is not")
        for name, file in (index or {}).items()
        if name not in places
    )
    if not places and not problems:
        problems.append(folders.finding(f"{folder.label}: {names(members)} holds no tensors"))
    if problems:
        raise folders.FolderError(*problems)
    return places


def _print_files(
    folder: folders.Folder, weight_files: Sequence[WeightFile], others: Sequence[str]
) -> tuple[fingerprint.File, ...]:
    """All files that the fingerprint covers."""
    weights = (
        fingerprint.File(file.name, file.size, file.mtime_ns, fingerprint.sample(file.path), file.header_digest)
        for file in weight_files
    )
    return (*weights, *(fingerprint.look(folder.path, name) for name in others))


def stale_files(weight_files: Sequence[WeightFile]) -> Iterator[str]:
    """Labels of files that are no longer as their headers were read."""
    for file in weight_files:
        try:
            status = file.path.stat()
        except OSError:
            yield file.label
            continue
        if (status.st_size, status.st_mtime_ns) != (file.size, file.mtime_ns):
            yield file.label
