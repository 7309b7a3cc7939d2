"""The merger's entry point: answers merge, preflight, cleanup and read requests, or tells what a merge will cost."""

import dataclasses
import os
import sys

from mergesearch import files, worker
from mergesearch.contract import (
    CleanupReport,
    CleanupRequest,
    MergeRequest,
    PreflightCheckpointsRequest,
    ReadRequest,
    Request,
)
from mergesearch.errors import InvalidRequestError
from mergesearch.reasons import Reason
from mergesearch.worker import Emit, Progress, Volumes
from mergesearch_merger import merge, plan_command, preflight, reading, settings, workspace
from mergesearch_merger.settings import Settings

PROGRAM = "mergesearch-merger"


class Merger:
    """Meets the merger's requests within the given limits."""

    def __init__(self, limits: Settings) -> None:
        self._limits = limits

    def __call__(self, request: Request, volumes: Volumes, emit: Emit, progress: Progress) -> None:
        """Raises MergeSearchError; anything else counts as transient."""
        if isinstance(request, MergeRequest):
            merge.answer(request, volumes, emit, progress, self._limits)
        elif isinstance(request, PreflightCheckpointsRequest):
            preflight.answer(request, volumes, emit, self._limits)
        elif isinstance(request, CleanupRequest):
            _clean_up(request, volumes, emit)
        elif isinstance(request, ReadRequest):
            reading.answer(request, volumes, emit)
        else:
            raise InvalidRequestError(
                f"{PROGRAM} answers merge, preflight-checkpoints, cleanup and read requests, not {request.kind!r}",
                reason=Reason.MALFORMED_REQUEST,
            )


def _clean_up(request: CleanupRequest, volumes: Volumes, emit: Emit) -> None:
    root = volumes.root(files.WORKSPACE_VOLUME)
    removed = files.remove_merges(root, request.search.uid, request.prune)
    if (root / files.merges_folder(request.search.uid)).is_dir():
        workspace.remove_stale(root, request.search.uid)
    emit(CleanupReport(version=1, request_hash=request.hash(), removed=removed))


def main() -> int:
    """Serve as `mergesearch.worker` says. Returns the exit code."""
    if sys.argv[1:2] == [plan_command.NAME]:
        return plan_command.main(sys.argv[2:])
    options = settings.options()
    given, _ = options.parse_known_args()
    try:
        limits = settings.of(given, os.environ)
    except ValueError as error:
        options.error(str(error))
    limits = dataclasses.replace(limits, bar=sys.stderr.isatty() and "--serve" not in sys.argv)
    return worker.run(PROGRAM, Merger(limits), options=options)


if __name__ == "__main__":
    sys.exit(main())
