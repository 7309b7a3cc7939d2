"""The state folder of a search on one machine: the resource with its status, a lock, logs, the report.

<state>/search.json   the whole resource; written to a sibling file and renamed at every step that changed something
<state>/lock          held by the run that works on it
<state>/logs/         what the children print
<state>/report.html   the page
"""

import fcntl
import json
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from mergesearch.api import updates
from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import STATUS_VERSION, MergeSearchStatus
from mergesearch.errors import InvalidManifestError, StateHeldError
from mergesearch.files import write_atomically
from mergesearch.reasons import Reason


class StateFolder:
    """Reads and writes one search; holds no copy of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.document = self.folder / "search.json"
        self.volumes = self.folder / "volumes.json"
        self.logs = self.folder / "logs"
        self.report = self.folder / "report.html"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other runs out. The lock goes with the process, however it ends. Raises StateHeldError."""
        self.logs.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                holder = lock.read().strip() or "unknown"
                message = f"{self.folder}: another run works on this search (process {holder}); nothing was changed"
                raise StateHeldError(message, reason=Reason.NAME_CONFLICT) from None
            lock.truncate(0)
            lock.write(f"{os.getpid()}\n")
            lock.flush()
            yield

    def read(self) -> MergeSearch | None:
        """The search as it was last written; None where there is none. Raises InvalidManifestError if it cannot be
        read.
        """
        if not self.document.exists():
            return None
        try:
            resource = MergeSearch.model_validate_json(self.document.read_bytes())
        except (ValidationError, OSError) as error:
            message = f"{self.document}: not a search of this version of MergeSearch: {error}"
            raise InvalidManifestError(message, reason=Reason.MALFORMED_REQUEST) from error
        if resource.status is not None and resource.status.version > STATUS_VERSION:
            message = f"{self.document}: written by a newer release (status version {resource.status.version})"
            raise InvalidManifestError(message, reason=Reason.NEWER_STATUS)
        return resource

    def written_at(self) -> datetime | None:
        """When the search was last written."""
        if not self.document.exists():
            return None
        return datetime.fromtimestamp(self.document.stat().st_mtime, tz=UTC)

    def write(self, resource: MergeSearch) -> None:
        """Replace the search. Raises OSError."""
        write_atomically(self.document, resource.to_stored() + "\n")

    def keep_volumes(self, volumes: Mapping[str, Path]) -> None:
        """Remember where the volumes lie. Raises InvalidManifestError if the search began with other folders."""
        given = {name: str(folder) for name, folder in volumes.items()}
        if not self.volumes.exists():
            write_atomically(self.volumes, json.dumps(given, indent=2) + "\n")
            return
        known = json.loads(self.volumes.read_text())
        moved = [f"  {name}: was {known.get(name)}, is {given.get(name)}" for name in sorted({*known, *given})]
        moved = [
            line
            for name, line in zip(sorted({*known, *given}), moved, strict=True)
            if known.get(name) != given.get(name)
        ]
        if moved:
            lines = "\n".join(moved)
            message = f"{self.folder}: the search began with volumes in other folders:\n{lines}\nGive another --state."
            raise InvalidManifestError(message, reason=Reason.NAME_CONFLICT)


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
        lines = "\n".join(f"  {change}" for change in wrong)
        allowed = ", ".join(sorted(path.removeprefix("spec.") for path in updates.MUTABLE))
        message = (
            f"the search has begun, and these fields decide what it has done so far:\n{lines}\n"
            f"Give another --state for a new search. What may change: {allowed} (maxEvaluations only up)."
        )
        raise InvalidManifestError(message, reason=Reason.NAME_CONFLICT)
    return before.model_copy(update={"metadata": meta, "spec": spec})


def _asked(resource: MergeSearch) -> bool:
    return resource.status is not None and bool(resource.status.candidates)
