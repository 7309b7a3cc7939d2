"""The state folder of a search on one machine: the resource with its status, a lock, logs, the report.

<state>/search.json   the whole resource; written to a sibling file and renamed at every step that changed something
<state>/lock          held by the run that works on it
<state>/alive         touched whenever that run looks; what ran is booked until then, however the run ends
<state>/volumes.json  where the volumes lay when the search began
<state>/logs/         what the children print
<state>/report.html   the page
"""

import fcntl
import json
import os
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from mergesearch.api import updates
from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import MergeSearchStatus
from mergesearch.errors import InvalidManifestError, StateHeldError
from mergesearch.reasons import Reason
from mergesearch_cli import damage, output, whole

LOOKS = 10
LOOK_SECONDS = 0.05
"""`status` holds the lock for the moment of a look; so a run that finds it held looks again, so often and so far apart.
"""
AGAIN = "what was scored before is kept: make room or mend its rights, then run the same command again"
VOLUMES = TypeAdapter(dict[str, str])


class StateFolder:
    """Reads and writes one search; holds no copy of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.document = self.folder / "search.json"
        self.lock = self.folder / "lock"
        self.alive = self.folder / "alive"
        self.volumes = self.folder / "volumes.json"
        self.logs = self.folder / "logs"
        self.report = self.folder / "report.html"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other runs out. The lock goes with the process, however it ends, and what its file says is of interest
        only while it is held. Raises StateHeldError; InvalidManifestError if this is no place for a state folder.
        """
        with self._lock() as lock:
            for _ in range(LOOKS):
                if _taken(lock, fcntl.LOCK_EX):
                    break
                time.sleep(LOOK_SECONDS)
            else:
                lock.seek(0)
                holder = lock.read().strip() or "unknown"
                message = f"{self.folder}: another run works on this search (process {holder}); nothing was changed"
                raise StateHeldError(message, reason=Reason.NAME_CONFLICT)
            lock.truncate(0)
            lock.write(f"{os.getpid()}\n")
            lock.flush()
            yield

    def is_held(self) -> bool:
        """Whether a run works on this folder now. Changes nothing."""
        try:
            with self.lock.open() as lock:
                return not _taken(lock, fcntl.LOCK_SH)
        except FileNotFoundError:
            return False

    def is_of_a_run(self) -> bool:
        """Whether a run on this machine has made this folder; otherwise its document was copied from elsewhere."""
        return self.lock.exists() or self.volumes.exists()

    def read(self) -> MergeSearch | None:
        """The search as it was last written; None where there is none. Raises InvalidManifestError if this is no
        folder, GiveUpError if what is there cannot be read.
        """
        self._refuse_file()
        if not self.document.exists():
            return None
        try:
            document = from_json(damage.content(self.document))
        except ValueError as error:
            raise damage.damaged(self.document, str(error)) from error
        damage.refuse_newer(document, str(self.document), f"use that one, or {damage.ANOTHER}")
        try:
            resource = MergeSearch.model_validate(document)
        except ValidationError as error:
            raise damage.unreadable(self.document, error) from error
        lacking = whole.lacking(resource)
        if lacking is not None:
            raise damage.damaged(self.document, lacking)
        return resource

    def seen_at(self) -> datetime | None:
        """When a run last looked at the search or wrote it."""
        if not self.document.exists():
            return None
        looks = [path.stat().st_mtime for path in (self.document, self.alive) if path.exists()]
        return datetime.fromtimestamp(max(looks), tz=UTC)

    def touch(self) -> None:
        """A run is here and looks: time until now is its own."""
        self.alive.touch()

    def write(self, resource: MergeSearch) -> None:
        """Replace the search. Raises GiveUpError."""
        output.write(self.document, resource.to_stored() + "\n", then=AGAIN)

    def keep_volumes(self, volumes: Mapping[str, Path]) -> None:
        """Remember where the volumes lie, unless that is known. Raises GiveUpError."""
        if not self.volumes.exists():
            given = {name: str(folder) for name, folder in volumes.items()}
            output.write(self.volumes, json.dumps(given, indent=2) + "\n", then=AGAIN)

    def check_volumes(self, volumes: Mapping[str, Path]) -> None:
        """Raises InvalidManifestError if the search began with other folders, GiveUpError if what is remembered cannot
        be read.
        """
        if not self.volumes.exists():
            return
        given = {name: str(folder) for name, folder in volumes.items()}
        known = {name: str(folder) for name, folder in self.known_volumes().items()}
        moved = [
            f"  {name}: was {known.get(name)}, is {given.get(name)}"
            for name in sorted({*known, *given})
            if known.get(name) != given.get(name)
        ]
        if moved:
            lines = "\n".join(moved)
            message = f"{self.folder}: the search began with volumes in other folders:\n{lines}\nGive another --state."
            raise InvalidManifestError(message, reason=Reason.NAME_CONFLICT)

    def known_volumes(self) -> dict[str, Path]:
        """Where the volumes lay when the search began; empty where no run has begun. Raises GiveUpError."""
        if not self.volumes.exists():
            return {}
        try:
            known = VOLUMES.validate_json(damage.content(self.volumes))
        except ValidationError as error:
            raise damage.unreadable(self.volumes, error) from error
        return {name: Path(folder) for name, folder in known.items()}

    def _lock(self) -> TextIO:
        """The file of the lock, in a folder that is made where it is missing."""
        self._refuse_file()
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
            return self.lock.open("a+")
        except OSError as error:
            message = f"--state {self.folder}: cannot hold a search: {error.filename}: {error.strerror}"
            raise InvalidManifestError(message, reason=Reason.WORKSPACE_UNWRITABLE) from error

    def _refuse_file(self) -> None:
        if self.folder.exists() and not self.folder.is_dir():
            message = f"{self.folder}: this is a file; a state folder is wanted, which `mergesearch run` makes"
            raise InvalidManifestError(message, reason=Reason.MALFORMED_REQUEST)


def _taken(lock: TextIO, how: int) -> bool:
    """Whether the lock could be taken; it goes when the file is closed."""
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def adopt(manifest: MergeSearch, before: MergeSearch | None, *, retry: bool) -> MergeSearch:
    """The resource to run: a new one, or the one before with the manifest's changes.

    Raises InvalidManifestError where a field was changed that a search which has begun does not allow.
    """
    if before is None:
        uid = manifest.metadata.uid or str(uuid.uuid4())
        meta = manifest.metadata.model_copy(update={"uid": uid, "generation": 1})
        return manifest.model_copy(update={"metadata": meta, "status": MergeSearchStatus()})
    if manifest.metadata.name != before.metadata.name:
        message = (
            f"metadata.name: the state folder holds the search {before.metadata.name!r}, the manifest is of "
            f"{manifest.metadata.name!r}; give another --state"
        )
        raise InvalidManifestError(message, reason=Reason.NAME_CONFLICT)
    spec = manifest.spec
    if retry or not spec.retry:
        token = f"cli-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}" if retry else before.spec.retry
        spec = spec.model_copy(update={"retry": token})
    grown = before.metadata.generation + (spec != before.spec)
    meta = before.metadata.model_copy(update={"generation": grown})
    if spec != before.spec and not (before.status and before.status.baselines) and not _asked(before):
        # Nothing was merged or scored: the preflight has found a mistake, and the manifest was mended.
        return before.model_copy(update={"metadata": meta, "spec": spec, "status": MergeSearchStatus()})
    wrong = updates.forbidden(before.spec, spec)
    if wrong:
        raise InvalidManifestError(_refusal(wrong), reason=Reason.NAME_CONFLICT)
    return before.model_copy(update={"metadata": meta, "spec": spec})


def _refusal(wrong: Sequence[updates.Change]) -> str:
    """Why these changes of a search that has begun are refused, and what to do instead."""
    lowered = [change for change in wrong if change.path in updates.ONLY_UP]
    fixed = [f"  {change}" for change in wrong if change not in lowered]
    parts = [
        f"{change}: a budget can only grow once the search has begun; give {change.old} or more. To end the search "
        "sooner lower search.maxDuration, search.maxGpuHours or search.patience; for a smaller search give another "
        "--state."
        for change in lowered
    ]
    if fixed:
        allowed = ", ".join(sorted(path.removeprefix("spec.") for path in updates.MUTABLE))
        parts += [
            "the search has begun, and these fields decide what it has done so far:",
            *fixed,
            f"Give another --state for a new search. What may change: {allowed} (maxEvaluations only up).",
        ]
    return "\n".join(parts)


def _asked(resource: MergeSearch) -> bool:
    return resource.status is not None and bool(resource.status.candidates)
