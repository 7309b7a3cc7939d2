"""The drawings of a report's findings: every model has its mark, the front is stairs, kinds differ by shape."""

import itertools
import re
import xml.etree.ElementTree as ET

import pytest

from mergesearch.report import analysis, canvas, svg, tradeoff_plot, volume_plot, wording
from mergesearch.report.findings import Pair, Tradeoffs, Volume
from mergesearch.report.shapes import Role, Summary
from mergesearch.report.summary import summarize
from unit.report import paper_search
from unit.report.histories import with_status

SCALES = (wording.POINTS, wording.POINTS)


@pytest.fixture(scope="module")
def summary() -> Summary:
    history = paper_search.run(("mbpp", "ifeval"))
    return summarize(with_status(history.resource, history.end))


@pytest.fixture(scope="module")
def tradeoffs(summary: Summary) -> Tradeoffs:
    found = analysis.analyse(summary).tradeoffs
    assert isinstance(found, Tradeoffs)
    return found


@pytest.fixture(scope="module")
def volume(summary: Summary) -> Volume:
    found = analysis.analyse(summary).volume
    assert isinstance(found, Volume)
    return found


def read(text: str) -> ET.Element:
    root = ET.fromstring(text)
    for element in root.iter():
        element.tag = element.tag.rsplit("}", 1)[-1]
    return root


def group(root: ET.Element, name: str) -> ET.Element:
    return next(element for element in root.iter("g") if element.get("id") == name)


def scatter(found: Tradeoffs, pair: Pair, title: str = "ifeval over mbpp") -> ET.Element:
    return read(tradeoff_plot.scatter(found, pair, SCALES, "pair", title))


def test_every_model_has_the_mark_of_its_kind(tradeoffs: Tradeoffs) -> None:
    root = scatter(tradeoffs, tradeoffs.pairs[0])
    marks = {
        name: len(list(group(root, f"pair-{name}").iter("use")))
        for name in ("candidates", "checkpoints", "merges", "winner")
    }
    assert marks == {"candidates": 49, "checkpoints": 16, "merges": 2, "winner": 1}
    shapes = {
        name: next(group(root, f"pair-{name}").iter("path")).get("d", "").count("C")
        for name in ("candidates", "checkpoints")
    }
    assert shapes["candidates"] > 0 == shapes["checkpoints"], "one is round and the other is not"


def test_the_front_goes_in_stairs_and_no_model_lies_beyond_it(tradeoffs: Tradeoffs) -> None:
    pair = tradeoffs.pairs[0]
    steps = next(group(scatter(tradeoffs, pair), "pair-front").iter("path")).get("d", "")
    places = [(float(x), float(y)) for x, y in re.findall(r"[ML] ([\d.]+) ([\d.]+)", steps)]
    assert len(places) == 2 * len(pair.front) - 1
    corners = [(before[0], after[1]) for before, after in itertools.pairwise(places[::2])]
    assert places[1::2] == corners, "what lies to the right of a model and above the next one nobody reaches"
    assert places == sorted(places), "to the right, and downwards as an SVG counts"


def test_the_line_ends_where_the_checkpoints_end(tradeoffs: Tradeoffs) -> None:
    root = scatter(tradeoffs, tradeoffs.pairs[0])
    line = next(group(root, "pair-fit").iter("path")).get("d", "")
    ends = [float(x) for x in re.findall(r"[ML] ([\d.]+) ", line)]
    squares = [float(use.get("x", "nan")) for use in group(root, "pair-checkpoints").iter("use")]
    assert ends == pytest.approx([min(squares), max(squares)], abs=1e-3)


def test_a_search_without_a_winner_marks_none_and_one_without_a_line_draws_none(tradeoffs: Tradeoffs) -> None:
    points = tuple(point for point in tradeoffs.points if point.role is Role.CHECKPOINT)[:2]
    few = Tradeoffs(points=points, front=(), pairs=(), all_pairs=1)
    pair = Pair(first=0, second=1, front=tuple(point.id for point in points[:1]), fit=None, rho=None, p=None)
    root = scatter(few, pair)
    assert not list(group(root, "pair-winner").iter("use"))
    assert not [one for one in root.iter("g") if one.get("id") == "pair-fit"]
    words = tradeoff_plot.describe(few, pair, SCALES)
    assert words == "2 checkpoints and 0 merges; 1 model on the Pareto front."


def test_names_that_are_markup_stay_words_in_the_title(tradeoffs: Tradeoffs) -> None:
    nasty = "<script>alert(1)</script> over a&b"
    root = scatter(tradeoffs, tradeoffs.pairs[0], nasty)
    assert next(root.iter("title")).text == nasty
    assert not list(root.iter("script"))


@pytest.mark.parametrize("size", [canvas.WIDE, canvas.NARROW], ids=["wide", "narrow"])
def test_the_volume_has_a_mark_for_each_evaluation_and_one_before_them(volume: Volume, size: canvas.Size) -> None:
    root = read(volume_plot.volume_curve(volume, 50, size, "volume"))
    assert len(list(group(root, "volume-volume").iter("use"))) == 51
    assert list(group(root, "volume-checkpoints").iter("path"))
    described = next(root.iter("desc")).text or ""
    assert f"{volume.curve[-1]:.3f} after evaluation 50" in described
    assert f"{volume.checkpoints:.3f} for the checkpoints alone" in described


def test_colours_come_from_the_style_sheet_and_drawings_are_the_same_each_time(
    tradeoffs: Tradeoffs, volume: Volume
) -> None:
    def both() -> str:
        pair = tradeoff_plot.scatter(tradeoffs, tradeoffs.pairs[0], SCALES, "pair", "t")
        return pair + volume_plot.volume_curve(volume, 50, canvas.WIDE, "volume")

    text = both()
    assert not re.search(r"#[0-9a-fA-F]{6}\b", text)
    assert set(re.findall(r"var\(--([a-z]+)\)", text)) <= set(svg.COLOURS)
    assert both() == text
