"""Names inside a workspace, and how files that others read are written. Standard library only.

    <workspace>/<search uid>/                       holds MARKER; only such folders are ever removed
        merges/<candidate>/                         a plain Hugging Face folder with MERGE_RECORD inside
        reports/merge/<candidate>.json              a MergeReport
        evaluations/<split>/<candidate>/report.json an EvaluationReport
        evaluations/<split>/<candidate>/<task>.jsonl.zst   per-sample scores, one line a sample
        comparison.json                             a CompareReport
        reports/answers/<digest>.jsonl              all reports of a process whose termination message could not hold
                                                    them, one a line

Everything is written to a sibling whose name carries TEMPORARY_PREFIX and the writer's token, fsynced and renamed, so
that an old process that still writes cannot touch its successor's files.
"""

import functools
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from glob import escape
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from mergesearch.errors import InvalidRequestError
from mergesearch.reasons import Reason

MARKER = ".mergesearch.json"
"""In every folder that belongs to a search: its UID and name."""
MERGE_RECORD = "merge.json"
"""Beside the weights: where they come from, and the hash of the request that made them."""
REPORT = "report.json"
TEMPORARY_PREFIX = ".tmp-"
SLICES_SUFFIX = "slices"
"""Of the temporary folder in which the slices of a merge wait for each other; no writer's token ends so."""
SLICES_HASH_CHARACTERS = 12
"""Of the request's hash, in the name of that folder."""
PROCESS_SPACE_CHARACTERS = 10
"""Of the hash that stands for a machine's boot and a PID namespace; no group of a UID is so long."""
WORKSPACE_VOLUME = "workspace"
CHECKPOINTS_VOLUME = "checkpoints"


def search_folder(uid: str) -> PurePosixPath:
    """Everything a search ever writes lies below this folder of the workspace."""
    return PurePosixPath(uid)


def merges_folder(uid: str) -> PurePosixPath:
    """Parent of all merged weights of a search."""
    return search_folder(uid) / "merges"


def merge_folder(uid: str, candidate: str) -> PurePosixPath:
    """The published weights of one candidate."""
    return merges_folder(uid) / candidate


def slices_folder(uid: str, candidate: str, request_hash: str, count: int | str) -> PurePosixPath:
    """Where the slices of one merge wait for each other."""
    short = request_hash[:SLICES_HASH_CHARACTERS]
    return merges_folder(uid) / f"{TEMPORARY_PREFIX}{candidate}-{short}-{count}{SLICES_SUFFIX}"


def merge_report(uid: str, candidate: str) -> PurePosixPath:
    """The merge report of one candidate; it stays when the weights go."""
    return search_folder(uid) / "reports" / "merge" / f"{candidate}.json"


def evaluation_folder(uid: str, split: str, candidate: str) -> PurePosixPath:
    """The report and the per-sample scores of one candidate on one split."""
    return search_folder(uid) / "evaluations" / split / candidate


def samples_file(uid: str, split: str, candidate: str, task: str) -> PurePosixPath:
    """The per-sample scores of one candidate on one task; a name that is no file name is quoted."""
    return evaluation_folder(uid, split, candidate) / f"{quote(task, safe='')}.jsonl.zst"


def comparison_report(uid: str) -> PurePosixPath:
    """The paired statistics of the confirmation."""
    return search_folder(uid) / "comparison.json"


def named_folder(text: str) -> tuple[str, Path]:
    """A volume's name and the folder that takes its place, from `NAME=DIR`. Raises ValueError."""
    name, separator, folder = text.partition("=")
    if not (name and separator and folder):
        raise ValueError(f"{text!r} is not NAME=DIR, such as checkpoints=/data/checkpoints")
    try:
        return name, Path(folder).expanduser().absolute()
    except RuntimeError as error:
        raise ValueError(f"{text!r}: there is no such user") from error


def answer_file(uid: str, reports_digest: str) -> PurePosixPath:
    """All reports of one process, where its termination message holds their digest only."""
    return search_folder(uid) / "reports" / "answers" / f"{reports_digest}.jsonl"


def writer_token() -> str:
    """What tells this writer's temporary names from another's: the pod's UID, or the process's id where it counts."""
    return os.environ.get("MERGESEARCH_WRITER", "") or f"{process_space()}-{os.getpid()}"


@functools.cache
def process_space() -> str:
    """Where this process's id means this process: a boot of a machine, and a PID namespace of it. In containers most
    processes have the id 1.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        known = f"{boot} {Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        known = os.uname().nodename
    return hashlib.sha256(known.encode()).hexdigest()[:PROCESS_SPACE_CHARACTERS]


def temporary_sibling(path: Path) -> Path:
    """The name under which `path` is written before it is renamed into place."""
    return path.with_name(f"{TEMPORARY_PREFIX}{path.name}-{writer_token()}")


def fsync_folder(folder: Path, fsync: Callable[[int], None] = os.fsync) -> None:
    """Make a rename inside `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write `content` so that a reader sees the old file or the whole new one, never a part. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_sibling(path)
    data = content.encode() if isinstance(content, str) else content
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    fsync_folder(path.parent)


def resolve_inside(root: Path, relative: str | PurePosixPath) -> Path:
    """The file or folder `relative` below `root`, symlinks followed. Raises InvalidRequestError if it leaves `root`."""
    base = root.resolve()
    found = (base / relative).resolve()
    if not found.is_relative_to(base):
        raise InvalidRequestError(
            f"{relative}: leads to {found}, outside its volume {base}", reason=Reason.PATH_OUTSIDE_VOLUME
        )
    return found


def claim_search_folder(workspace: Path, uid: str, name: str) -> Path:
    """Create the search's folder with its marker where it is missing, and return it. Raises OSError."""
    folder = workspace / search_folder(uid)
    marker = folder / MARKER
    if not marker.exists():
        write_atomically(marker, json.dumps({"uid": uid, "name": name}) + "\n")
    return folder


def set_aside(folder: Path) -> Path | None:
    """Rename a folder, where there is one, to a temporary name, so that it is there whole or not at all.

    Returns its new name, for the caller to remove. Raises OSError.
    """
    if not folder.is_dir():
        return None
    # Not the name under which this writer may be writing the folder's successor.
    aside = temporary_sibling(folder.with_name(f"old-{folder.name}"))
    shutil.rmtree(aside, ignore_errors=True)
    try:
        return folder.rename(aside)
    except FileNotFoundError:  # another process was faster
        return None


def remove_folder(folder: Path) -> None:
    """Remove a folder, where there is one; a half-removed one never looks finished. Raises OSError."""
    aside = set_aside(folder)
    if aside is not None:
        shutil.rmtree(aside, ignore_errors=True)


def remove_slices(workspace: Path, uid: str, candidate: str) -> None:
    """Remove all slices of a candidate that wait to become a merge. Raises InvalidRequestError."""
    pattern = slices_folder(uid, escape(candidate), "?" * SLICES_HASH_CHARACTERS, "*").name
    for slices in resolve_inside(workspace, merges_folder(uid)).glob(pattern):
        shutil.rmtree(slices, ignore_errors=True)


def remove_merges(workspace: Path, uid: str, candidates: tuple[str, ...]) -> tuple[str, ...]:
    """Remove the weights of `candidates`, and slices of them, if the folder carries this search's marker; return those
    that were there.
    """
    marker = workspace / search_folder(uid) / MARKER
    if not marker.is_file() or json.loads(marker.read_text()).get("uid") != uid:
        return ()
    removed = []
    root = resolve_inside(workspace, merges_folder(uid))
    for candidate in candidates:
        folder = Path(os.path.normpath(root / candidate))
        # A link is nobody's merge, and a name such as `..` leads elsewhere.
        if folder.parent == root and folder.is_dir() and not folder.is_symlink():
            remove_folder(folder)
            removed.append(candidate)
        remove_slices(workspace, uid, candidate)
    return tuple(removed)
