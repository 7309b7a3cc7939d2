"""The volumes of a search on one machine: folders given by `--volume NAME=DIR`, checked before anything starts."""

import os
from collections.abc import Sequence
from pathlib import Path

from mergesearch.api.spec import MergeSearchSpec
from mergesearch.errors import InvalidManifestError
from mergesearch.files import CHECKPOINTS_VOLUME, WORKSPACE_VOLUME
from mergesearch.reasons import Reason


def parse(given: Sequence[str]) -> dict[str, Path]:
    """`NAME=DIR` arguments by name. Raises InvalidManifestError."""
    volumes: dict[str, Path] = {}
    for text in given:
        name, separator, folder = text.partition("=")
        if not (name and separator and folder):
            raise _wrong(f"--volume {text}: write NAME=DIR, such as checkpoints=/data/checkpoints")
        if name in volumes:
            raise _wrong(f"--volume {name}: given twice, as {volumes[name]} and as {folder}")
        volumes[name] = Path(folder).expanduser().absolute()
    return volumes


def check(spec: MergeSearchSpec, volumes: dict[str, Path]) -> None:
    """Every volume of the spec is given and usable; the workspace is created where it is missing.

    Raises InvalidManifestError with all problems.
    """
    read_only = [CHECKPOINTS_VOLUME, *(volume.name for volume in spec.storage.volumes)]
    wanted = [*read_only, WORKSPACE_VOLUME]
    problems = [
        f"volume {name!r} of the manifest is not given: add --volume {name}=DIR"
        for name in wanted
        if name not in volumes
    ]
    problems += [
        f"--volume {name}: the manifest has no such volume; it has {', '.join(wanted)}"
        for name in volumes
        if name not in wanted
    ]
    problems += [
        f"--volume {name}: {volumes[name]} is not a folder that can be read"
        for name in read_only
        if name in volumes and not (volumes[name].is_dir() and os.access(volumes[name], os.R_OK | os.X_OK))
    ]
    workspace = volumes.get(WORKSPACE_VOLUME)
    if workspace is not None and not problems:
        problems += _workspace_problems(workspace, [volumes[name] for name in read_only])
    if problems:
        raise _wrong("\n".join(problems))


def _workspace_problems(workspace: Path, inputs: Sequence[Path]) -> list[str]:
    if any(workspace.resolve() == folder.resolve() for folder in inputs):
        return [f"--volume workspace: {workspace} is also a volume of inputs; merges need a folder of their own"]
    try:
        workspace.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return [f"--volume workspace: {workspace} cannot be created: {error.strerror}"]
    if not os.access(workspace, os.W_OK | os.X_OK):
        return [f"--volume workspace: {workspace} cannot be written to"]
    return []


def _wrong(message: str) -> InvalidManifestError:
    return InvalidManifestError(message, reason=Reason.MALFORMED_REQUEST)
