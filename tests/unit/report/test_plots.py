"""The fitness curve as it stands in the page."""

import itertools
import re
import xml.etree.ElementTree as ET

import matplotlib as mpl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergesearch.report import canvas, plots, spacing, svg
from mergesearch.report.shapes import Summary
from mergesearch.report.summary import summarize
from unit.report.histories import History, clear, with_status


def drawn(summary: Summary, prefix: str = "curve", size: canvas.Size = canvas.WIDE) -> ET.Element:
    root = ET.fromstring(plots.fitness_curve(summary, size, prefix))
    for element in root.iter():
        element.tag = element.tag.rsplit("}", 1)[-1]
    return root


def group(root: ET.Element, name: str) -> ET.Element:
    return next(element for element in root.iter("g") if element.get("id") == f"curve-{name}")


@pytest.fixture(scope="module")
def complete(with_failures: History) -> Summary:
    return summarize(with_status(with_failures.resource, clear(with_failures.end)))


def test_every_candidate_every_failure_and_the_winner_has_its_mark(complete: Summary) -> None:
    root = drawn(complete)
    marks = {name: len(list(group(root, name).iter("use"))) for name in ("candidates", "failed", "winner")}
    assert marks == {"candidates": 12, "failed": 2, "winner": 1}


def test_every_baseline_is_a_line_with_dashes_of_its_own_and_a_label(complete: Summary) -> None:
    root = drawn(complete)
    dashes = set()
    for line in complete.lines:
        style = next(group(root, f"baseline-{line.role}").iter("path")).get("style", "")
        found = re.search(r"stroke-dasharray: ([^;]+)", style)
        assert found is not None
        dashes.add(found[1])
    assert len(dashes) == len(complete.lines) == 3
    words = {element.text for element in root.iter("text")}
    assert {"checkpoint", "uniform", "merge-best", "evaluation", "fitness (points), search samples"} <= words


def test_a_reader_who_cannot_see_it_gets_title_and_description(complete: Summary) -> None:
    root = drawn(complete)
    assert root.get("role") == "img"
    named = {element.get("id"): element.text for element in root if element.tag in ("title", "desc")}
    assert list(named) == [root.get("aria-labelledby"), root.get("aria-describedby")]
    assert named["curve-title"] == "Fitness over evaluations"
    assert "12 scored candidates, 2 failed." in (named["curve-description"] or "")
    assert "uniform" in (named["curve-description"] or "")


def test_colours_come_from_the_pages_style_sheet_and_the_paper_shows_through(complete: Summary) -> None:
    text = plots.fitness_curve(complete, canvas.WIDE, "curve")
    assert not re.search(r"#[0-9a-fA-F]{6}\b", text)
    assert set(re.findall(r"var\(--([a-z]+)\)", text)) <= set(svg.COLOURS)
    assert "<style" not in text
    assert "font-family" not in text


def test_the_size_is_the_pages_business(complete: Summary) -> None:
    root = drawn(complete)
    assert root.get("width") is None
    assert root.get("height") is None
    assert root.get("viewBox") == "0 0 760 380"


def test_two_drawings_share_no_id_and_refer_to_their_own(complete: Summary) -> None:
    ids = []
    for prefix, size in (("wide", canvas.WIDE), ("narrow", canvas.NARROW)):
        root = drawn(complete, prefix, size)
        own = [element.get("id", "") for element in root.iter() if element.get("id")]
        text = ET.tostring(root, encoding="unicode")
        referred = set(re.findall(r'(?:url\(|href=")#([^)"]+)', text))
        assert referred
        assert referred <= set(own)
        ids += own
    assert len(ids) == len(set(ids))


def test_the_same_summary_is_drawn_alike_whatever_the_users_settings(complete: Summary) -> None:
    first = plots.fitness_curve(complete, canvas.WIDE, "curve")
    with mpl.rc_context({"axes.linewidth": 9.0, "xtick.direction": "in", "axes.spines.left": False, "font.size": 30.0}):
        assert plots.fitness_curve(complete, canvas.WIDE, "curve") == first
        assert mpl.rcParams["font.size"] == 30.0


def test_a_search_without_a_score_is_drawn_and_described(history: History) -> None:
    status = history.first(lambda status: bool(status.candidates))
    found = summarize(with_status(history.resource, status))
    assert not list(group(drawn(found), "candidates").iter("use"))
    assert plots.describe(found) == "No candidate is scored yet."


places = st.lists(st.floats(-100, 100), max_size=8).map(sorted)


@given(places, st.floats(0.01, 10))
def test_labels_keep_their_order_and_their_distance(wanted: list[float], gap: float) -> None:
    found = spacing.spread(wanted, gap)
    assert len(found) == len(wanted)
    assert all(later - earlier >= gap - 1e-6 for earlier, later in itertools.pairwise(found))
    assert sum(found) == pytest.approx(sum(wanted), abs=1e-6)


def test_labels_that_are_far_apart_stay_where_they_are() -> None:
    assert spacing.spread([1.0, 5.0, 9.0], 2.0) == [1.0, 5.0, 9.0]
    assert spacing.spread([5.0, 5.0], 2.0) == [4.0, 6.0]
