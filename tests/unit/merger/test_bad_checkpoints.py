"""Every bad checkpoint or volume is refused with its reason and a message that names what is wrong, and nothing is
published.
"""

from pathlib import Path

import pytest

from mergesearch.contract import PreflightCheckpointsReport
from mergesearch.errors import ExitCode
from unit.merger import bad_checkpoints_page, scenes
from unit.merger.bad_checkpoints import CASES, PREFLIGHT, Case

EARLY = {name: case for name, case in CASES.items() if PREFLIGHT in case.seen_by}
cases = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
early_cases = pytest.mark.parametrize("case", EARLY.values(), ids=EARLY)


def spoilt(case: Case, root: Path) -> scenes.Scene:
    scene = scenes.a_scene(root)
    return case.spoil(scene) or scene


def test_a_scene_that_nobody_spoilt_is_merged(tmp_path: Path) -> None:
    scene = scenes.a_scene(tmp_path)

    assert scene.ask(scene.preflight()).exit.code == ExitCode.DONE
    assert scene.ask(scene.request()).exit.code == ExitCode.DONE
    assert scene.leftovers() == ["g0-0"]


def test_the_table_is_long_enough() -> None:
    assert len(CASES) >= 25


@cases
def test_a_merge_is_refused_with_the_reason_and_leaves_nothing(case: Case, tmp_path: Path) -> None:
    scene = spoilt(case, tmp_path)

    answered = scene.ask(scene.request())

    assert (answered.exit.code, answered.exit.reason) == (case.exit, case.reason)
    assert [part for part in case.says if part not in answered.exit.message] == []
    assert not scene.workspace.is_dir() or scene.leftovers() == []


@early_cases
def test_the_preflight_says_the_same(case: Case, tmp_path: Path) -> None:
    scene = spoilt(case, tmp_path)

    answered = scene.ask(scene.preflight())

    if answered.reports:
        (report,) = answered.reports
        assert isinstance(report, PreflightCheckpointsReport)
        assert report.failure is not None
        reason, message = report.failure.reason, report.failure.message
    else:
        assert answered.exit.reason is not None
        reason, message = answered.exit.reason, answered.exit.message
    assert reason == case.reason
    assert [part for part in case.says if part not in message] == []


def test_the_page_shows_what_the_merger_says_today() -> None:
    page = bad_checkpoints_page.PAGE

    assert page.read_text(encoding="utf-8") == bad_checkpoints_page.render(), "run `make generate`"
