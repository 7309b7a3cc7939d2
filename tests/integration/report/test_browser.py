"""The report in a real browser: no complaint, every drawing, by keyboard, on a phone, in the dark, on paper."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from mergesearch_cli import reporting
from support import browser as browsers
from support.browser import Scheme
from unit.report import histories, paper_search
from unit.report.histories import clear, with_status

PHONES = (320, 390)
"""Widths of the narrowest screen that is still made for (WCAG 2.2, 1.4.10), and of a common one."""
PAPER = 702
"""Pixels across a sheet of A4 between its margins."""
DRAWINGS = ("Fitness over evaluations", "Hypervolume over evaluations", "ifeval over mbpp", "musr over mbpp")
READING = (Path(__file__).parent / "reading.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for all tests here."""
    with browsers.launched() as found:
        yield found


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Reports of searches at several moments, each with its file of numbers beside it."""
    folder = tmp_path_factory.mktemp("reports")
    paper = paper_search.run()
    preflight = paper.end.preflight.model_copy(update={"parameters": 104 * 10**9})
    failing = histories.run(histories.manifest(), failing=frozenset({"c0002", "c0005"}))
    one_task = histories.run(histories.manifest(tasks=("a",), maxEvaluations=6))
    many = histories.run(histories.manifest(12, tasks=tuple("abcdefgh"), maxEvaluations=14))
    found = {
        "finished": with_status(paper.resource, clear(paper.end).model_copy(update={"preflight": preflight})),
        "failures": with_status(failing.resource, failing.end),
        "running": with_status(paper.resource, paper.first(lambda status: 0 < status.counts.scored < 20)),
        "begun": with_status(paper.resource, paper.statuses[0]),
        "one task": with_status(one_task.resource, one_task.end),
        "eight tasks": with_status(many.resource, many.end),
    }
    for name, resource in found.items():
        reporting.write(resource, folder / f"{name}.html", training_flops=1e21)
    return {name: folder / f"{name}.html" for name in found}


MOMENTS = ("finished", "failures", "running", "begun", "one task", "eight tasks")


# --- Nothing to complain of ---


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_browser_has_nothing_to_say_and_asks_for_nothing_but_the_page(
    browser: Browser, pages: dict[str, Path], moment: str
) -> None:
    with browsers.visit(browser, pages[moment]) as visit:
        assert visit.said == []
        assert visit.asked == [pages[moment].as_uri()]
        assert visit.page.title().endswith("· MergeSearch")


# --- Drawings ---


@pytest.mark.parametrize("width", [*PHONES, 1200])
def test_every_drawing_is_seen_once_under_its_name(browser: Browser, pages: dict[str, Path], width: int) -> None:
    with browsers.visit(browser, pages["finished"], width) as visit:
        # By role the browser finds what it would tell a reader, so what is hidden does not count.
        for name in DRAWINGS:
            drawing = visit.page.get_by_role("img", name=name, exact=True)
            assert drawing.count() == 1, name
            box = drawing.bounding_box()
            assert box is not None
            assert box["width"] >= 240
            assert box["x"] + box["width"] <= width
        assert visit.page.get_by_role("img").count() == 2 + 6


@pytest.mark.parametrize("width", [320, 1200])
def test_words_in_drawings_can_be_read_and_do_not_lie_on_each_other(
    browser: Browser, pages: dict[str, Path], width: int
) -> None:
    with browsers.visit(browser, pages["finished"], width) as visit:
        texts = visit.page.evaluate(READING + "; drawnTexts()")
    assert len(texts) > 60
    assert min(text["size"] for text in texts) >= 9.0
    assert [text["on"] for text in texts if text["on"]] == []
    assert [text["text"] for text in texts if text["out"]] == []


# --- By keyboard ---


def tab_stops(page: Page) -> list[str]:
    """What Tab reaches, in order, as long as it reaches something new."""
    found: list[str] = []
    while True:
        page.keyboard.press("Tab")
        stop = page.evaluate(READING + "; focused()")
        if not stop or stop in found:
            return found
        found.append(stop)


def test_everything_that_scrolls_opens_or_downloads_is_reached_by_tab_in_the_order_of_the_page(
    browser: Browser, pages: dict[str, Path]
) -> None:
    with browsers.visit(browser, pages["finished"]) as visit:
        closed = tab_stops(visit.page)
        assert closed == visit.page.evaluate(READING + "; reachable()")
        assert {"results", "candidates"} <= {stop.split(":")[-1].rsplit("-", 1)[-1].split(".")[0] for stop in closed}
        for summary in visit.page.locator("summary").all():
            summary.focus()
            visit.page.keyboard.press("Enter")
        visit.page.evaluate("document.activeElement.blur()")
        visit.page.mouse.click(5, 5)
        opened = tab_stops(visit.page)
        assert opened == visit.page.evaluate(READING + "; reachable()")
        assert len(opened) == len(closed) + 3


def test_a_wide_table_scrolls_by_the_arrow_keys_and_its_focus_is_seen(browser: Browser, pages: dict[str, Path]) -> None:
    with browsers.visit(browser, pages["finished"], 390) as visit:
        region = visit.page.get_by_role("region", name="On unseen samples")
        visit.page.keyboard.press("Tab")
        region.focus()
        assert region.evaluate("one => getComputedStyle(one).outlineStyle") == "solid"
        for _ in range(3):
            visit.page.keyboard.press("ArrowRight")
        visit.page.wait_for_function("one => one.scrollLeft > 0", arg=region.element_handle())


def test_the_downloads_are_the_file_beside_the_page_and_tables(browser: Browser, pages: dict[str, Path]) -> None:
    with browsers.visit(browser, pages["finished"]) as visit:
        texts = {}
        for name in ("paper.json", "paper-results.csv", "paper-candidates.csv"):
            with visit.page.expect_download() as waiting:
                visit.page.get_by_role("link", name=name).press("Enter")
            texts[name] = Path(waiting.value.path()).read_text(encoding="utf-8")
    assert texts["paper.json"] == pages["finished"].with_suffix(".json").read_text(encoding="utf-8")
    assert texts["paper-results.csv"].startswith("model,role,unseen fitness,gain")
    assert sum(line.startswith("c0") for line in texts["paper-candidates.csv"].splitlines()) == 50


# --- Phones, darkness, paper ---


@pytest.mark.parametrize("moment", MOMENTS)
def test_no_table_is_cut_off_by_the_edge_of_a_sheet(browser: Browser, pages: dict[str, Path], moment: str) -> None:
    with browsers.visit(browser, pages[moment], PAPER) as visit:
        visit.page.emulate_media(media="print")
        for summary in visit.page.locator("summary").all():
            summary.evaluate("one => one.parentElement.open = true")
        assert visit.page.evaluate(READING + "; tooWide()") == []


@pytest.mark.parametrize("width", PHONES)
@pytest.mark.parametrize("moment", MOMENTS)
def test_the_page_itself_does_not_scroll_sideways_on_a_phone(
    browser: Browser, pages: dict[str, Path], moment: str, width: int
) -> None:
    with browsers.visit(browser, pages[moment], width) as visit:
        for summary in visit.page.locator("summary").all():
            summary.click()
        assert visit.page.evaluate("document.documentElement.scrollWidth") == width
        assert visit.page.evaluate(READING + "; cutOff()") == []


@pytest.mark.parametrize("width", [*PHONES, 1100, 1600])
def test_every_caption_is_read_without_scrolling(browser: Browser, pages: dict[str, Path], width: int) -> None:
    """Also above a table that is wider than the page."""
    with browsers.visit(browser, pages["finished"], width) as visit:
        for region in visit.page.locator(".scroll:visible").all():
            room, caption = region.bounding_box(), region.locator("caption span").bounding_box()
            assert room is not None
            assert caption is not None
            assert caption["x"] + caption["width"] <= room["x"] + room["width"] + 1


@pytest.mark.parametrize("medium", ["screen", "print"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("moment", ["finished", "failures"])
def test_every_word_and_every_mark_stands_out_from_what_is_behind_it(
    browser: Browser, pages: dict[str, Path], moment: str, scheme: Scheme, medium: str
) -> None:
    """4.5 for words, 3 for what is drawn (WCAG 2.2, 1.4.3 and 1.4.11), as the browser has computed the colours."""
    with browsers.visit(browser, pages[moment], scheme=scheme) as visit:
        visit.page.emulate_media(media="print" if medium == "print" else "screen", color_scheme=scheme)
        for summary in visit.page.locator("summary").all():
            summary.evaluate("one => one.parentElement.open = true")
        words = visit.page.evaluate(READING + "; wordContrasts()")
        marks = visit.page.evaluate(READING + "; markContrasts()")
        paper = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light" or medium == "print")
    assert len(words) > 300
    assert len(marks) > 30
    assert [word for word in words if word["contrast"] < 4.5] == []
    assert [mark for mark in marks if mark["contrast"] < 3.0][:5] == []


def test_on_paper_there_is_everything_but_what_only_a_screen_can_do(browser: Browser, pages: dict[str, Path]) -> None:
    with browsers.visit(browser, pages["finished"], PAPER, "dark") as visit:
        visit.page.emulate_media(media="print", color_scheme="dark")
        for name in DRAWINGS:
            assert visit.page.get_by_role("img", name=name, exact=True).is_visible()
        assert visit.page.locator(".curve-wide").is_visible()
        assert not visit.page.locator(".curve-narrow").is_visible()
        for hidden in ("footer", "summary"):
            assert not visit.page.locator(hidden).first.is_visible()
        sheets = visit.page.pdf(format="A4")
    assert sheets.startswith(b"%PDF-")
    assert sheets.count(b"/Type /Page\n") in range(3, 12)
