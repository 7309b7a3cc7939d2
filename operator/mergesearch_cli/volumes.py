"""The volumes of a search on one machine: folders given by `--volume NAME=DIR`, checked before anything starts."""

import errno
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from mergesearch.api.spec import MergeSearchSpec
from mergesearch.errors import InvalidManifestError
from mergesearch.files import CHECKPOINTS_VOLUME, WORKSPACE_VOLUME, named_folder
from mergesearch.reasons import Reason


def parse(given: Sequence[str]) -> dict[str, Path]:
    """`NAME=DIR` arguments by name. Raises InvalidManifestError."""
    volumes: dict[str, Path] = {}
    for text in given:
        try:
            name, folder = named_folder(text)
        except ValueError as error:
            raise _wrong(f"--volume: {error}") from error
        if name in volumes:
            raise _wrong(f"--volume {name}: given twice, as {volumes[name]} and as {folder}")
        volumes[name] = folder
    return volumes


def read_only(spec: MergeSearchSpec) -> list[str]:
    """The volumes of inputs, that of the checkpoints first."""
    return [CHECKPOINTS_VOLUME, *(volume.name for volume in spec.storage.volumes)]


def check(spec: MergeSearchSpec, volumes: dict[str, Path]) -> None:
    """Every volume of the spec is given and usable; a workspace that is missing can be made. Nothing is made yet.

    Raises InvalidManifestError with all problems.
    """
    inputs = read_only(spec)
    problems = [
        f"volume {name!r} of the manifest is not given: add --volume {name}=DIR"
        for name in [*inputs, WORKSPACE_VOLUME]
        if name not in volumes
    ]
    problems += _input_problems(spec, volumes)
    workspace = volumes.get(WORKSPACE_VOLUME)
    if workspace is not None and not problems:
        problems += _workspace_problems(workspace, [volumes[name] for name in inputs])
    if problems:
        raise _wrong("\n".join(problems))


def check_state(state: Path, volumes: Mapping[str, Path]) -> None:
    """The state folder lies outside all volumes: inputs are only read, and a workspace holds merges alone.

    Raises InvalidManifestError.
    """
    for name, folder in volumes.items():
        if state.resolve().is_relative_to(folder.resolve()):
            what = "holds merges" if name == WORKSPACE_VOLUME else "holds inputs, and they are only read"
            raise _wrong(f"--state {state}: lies in --volume {name}={folder}, which {what}; give a folder outside it")


def make_workspace(volumes: Mapping[str, Path]) -> None:
    """Create the workspace where it is missing. Raises InvalidManifestError."""
    workspace = volumes[WORKSPACE_VOLUME]
    try:
        workspace.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _wrong(_not_made(workspace, error.strerror or str(error))) from error


def check_inputs(spec: MergeSearchSpec, volumes: dict[str, Path]) -> None:
    """The volumes that are given are those of the spec, and those of inputs can be read.

    Raises InvalidManifestError with all problems.
    """
    problems = _input_problems(spec, volumes)
    if problems:
        raise _wrong("\n".join(problems))


def _input_problems(spec: MergeSearchSpec, volumes: dict[str, Path]) -> list[str]:
    inputs = read_only(spec)
    wanted = [*inputs, WORKSPACE_VOLUME]
    problems = [
        f"--volume {name}: the manifest has no such volume; it has {', '.join(wanted)}"
        for name in volumes
        if name not in wanted
    ]
    return problems + [
        f"--volume {name}: {volumes[name]}: {why}"
        for name in inputs
        if name in volumes and (why := _unreadable(volumes[name]))
    ]


def _unreadable(folder: Path) -> str:
    """Why a folder cannot be read; empty if it can."""
    if not folder.exists():
        return "there is no such folder"
    if not folder.is_dir():
        return "this is no folder"
    return "" if os.access(folder, os.R_OK | os.X_OK) else "this folder may not be read"


def _workspace_problems(workspace: Path, inputs: Sequence[Path]) -> list[str]:
    if any(workspace.resolve() == folder.resolve() for folder in inputs):
        return [f"--volume workspace: {workspace} is also a volume of inputs; merges need a folder of their own"]
    if not os.path.lexists(workspace):
        above = next(folder for folder in workspace.parents if os.path.lexists(folder))
        if not above.is_dir():
            return [_not_made(workspace, os.strerror(errno.ENOTDIR))]
        if not os.access(above, os.W_OK | os.X_OK):
            return [_not_made(workspace, f"{above} cannot be written to")]
    elif not workspace.is_dir():
        return [f"--volume workspace: {workspace}: this is no folder"]
    elif not os.access(workspace, os.W_OK | os.X_OK):
        return [f"--volume workspace: {workspace} cannot be written to"]
    return []


def _not_made(workspace: Path, why: str) -> str:
    return f"--volume workspace: {workspace} cannot be created: {why}"


def _wrong(message: str) -> InvalidManifestError:
    return InvalidManifestError(message, reason=Reason.MALFORMED_REQUEST)
