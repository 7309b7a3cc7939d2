"""Emits reports again that lie on the workspace, for whoever has missed them."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from mergesearch import files
from mergesearch.contract import REPORT, ReadRequest, Report
from mergesearch.worker import Emit, Volumes


def answer(request: ReadRequest, volumes: Volumes, emit: Emit) -> None:
    """Emit each wanted report once; what is missing or damaged is left out. Raises InvalidRequestError."""
    root = volumes.root(files.WORKSPACE_VOLUME)
    wanted = set(request.answers)
    for path in request.paths:
        for report in _reports(files.resolve_inside(root, path)):
            if report.request_hash in wanted:
                wanted.remove(report.request_hash)
                emit(report)


def _reports(file: Path) -> Iterator[Report]:
    try:
        lines = file.read_bytes().splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        with contextlib.suppress(ValidationError):
            yield REPORT.validate_json(line)
