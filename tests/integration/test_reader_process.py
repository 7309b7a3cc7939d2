"""Reports that nobody has received are read again, by the merger's own entry point."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mergesearch import contract, files, worker
from mergesearch.contract import REPORT, EvaluationReport, MergeReport, ReadRequest, Report, SearchRef
from mergesearch.errors import ExitCode

UID = "uid-1"
MERGED = MergeReport(version=1, candidate="c0001", request_hash="a" * 64, seconds=1.5)
SCORED = EvaluationReport(version=1, candidate="c0002", request_hash="b" * 64)
PATHS = (
    str(files.answer_file(UID, "d" * 64)),
    str(files.merge_report(UID, "c0001")),
    str(files.evaluation_folder(UID, "search", "c0002") / files.REPORT),
)
BOTH = (MERGED.request_hash, SCORED.request_hash)


def read(workspace: Path, paths: tuple[str, ...] = PATHS, answers: tuple[str, ...] = BOTH) -> tuple[int, list[Report]]:
    """Exit code and reports of a merger that is asked to read."""
    request = ReadRequest(version=1, search=SearchRef(name="soup", uid=UID), paths=paths, answers=answers)
    message = workspace / "termination"
    ended = subprocess.run(
        [sys.executable, "-m", "mergesearch_merger.main", "--volume", f"workspace={workspace}"],
        env={
            **os.environ,
            worker.REQUEST_VARIABLE: request.to_json(),
            worker.TERMINATION_LOG_VARIABLE: str(message),
        },
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    printed = [REPORT.validate_json(line) for line in ended.stdout.splitlines()]
    said = contract.Termination.model_validate_json(message.read_text())
    assert said.exit.code == ended.returncode
    found = said.reports if said.reports_digest is None else contract.reports_in(ended.stdout, said.reports_digest)
    assert list(found or ()) == printed, "the log and the termination message tell the same"
    return ended.returncode, printed


def publish(workspace: Path, path: str, *reports: Report) -> None:
    file = workspace / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(report.to_json() + "\n" for report in reports))


def test_each_wanted_report_is_emitted_from_the_file_where_its_process_has_left_it(tmp_path: Path) -> None:
    publish(tmp_path, PATHS[1], MERGED)
    publish(tmp_path, PATHS[2], SCORED)
    assert read(tmp_path) == (ExitCode.DONE, [MERGED, SCORED])


def test_what_lies_in_two_files_is_emitted_once(tmp_path: Path) -> None:
    publish(tmp_path, PATHS[0], SCORED, MERGED)
    publish(tmp_path, PATHS[1], MERGED)
    assert read(tmp_path) == (ExitCode.DONE, [SCORED, MERGED])


def test_answers_to_other_requests_are_left_out(tmp_path: Path) -> None:
    publish(tmp_path, PATHS[0], SCORED, MERGED)
    assert read(tmp_path, answers=(MERGED.request_hash,)) == (ExitCode.DONE, [MERGED])


def test_files_that_are_missing_or_damaged_are_as_if_nothing_was_reported(tmp_path: Path) -> None:
    publish(tmp_path, PATHS[0], SCORED)
    (tmp_path / PATHS[0]).write_bytes(b'\xff{"kind": "merge"\n\n' + (tmp_path / PATHS[0]).read_bytes()[:-20])
    assert read(tmp_path) == (ExitCode.DONE, [])


def test_more_reports_than_a_termination_message_holds_are_in_the_log(tmp_path: Path) -> None:
    many = [MERGED.model_copy(update={"candidate": f"c{n:04d}", "request_hash": f"{n:064x}"}) for n in range(64)]
    publish(tmp_path, PATHS[0], *many)
    assert read(tmp_path, answers=tuple(report.request_hash for report in many)) == (ExitCode.DONE, many)


@pytest.mark.parametrize("path", ["../outside.json", "/etc/hostname"])
def test_no_file_outside_the_workspace_is_read(tmp_path: Path, path: str) -> None:
    assert read(tmp_path, paths=(path,)) == (ExitCode.INVALID_REQUEST, [])
