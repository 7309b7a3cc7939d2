"""The page: complete, closed in itself, and safe whatever names a user has chosen."""

import base64
import bisect
import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mergesearch.api.status import Decision, MergeSearchStatus
from mergesearch.reasons import Reason
from mergesearch.report import analysis, data, exact, explanations, finding_tables, page, tables
from mergesearch.report.advice import Place
from mergesearch.report.correlation import Correlations
from mergesearch.report.findings import Heatmap, Tradeoffs, Volume
from mergesearch.report.shapes import Summary
from mergesearch.report.summary import summarize
from unit.report import histories
from unit.report.histories import History, clear, with_status
from unit.report.pages import Page

STYLE = (Path(page.__file__).parent / "templates" / "report.css").read_text(encoding="utf-8")


def rendered(summary: Summary) -> str:
    return page.render(summary, analysis.analyse(summary))


@pytest.fixture(scope="module")
def complete(with_failures: History) -> Summary:
    return summarize(with_status(with_failures.resource, clear(with_failures.end)))


@pytest.fixture(scope="module")
def text(complete: Summary) -> str:
    return rendered(complete)


@pytest.fixture(scope="module")
def read(text: str) -> Page:
    return Page(text)


# --- What it shows ---


def test_the_verdict_stands_on_the_page(complete: Summary, read: Page) -> None:
    assert complete.verdict in read.text
    assert "A proven gain" in read.text


def test_commands_in_the_verdict_are_marked_and_nothing_else_of_it_is(history: History) -> None:
    decision = Decision(reason=Reason.TASK_UNKNOWN, message="no task <b>x</b>")
    status = history.end.model_copy(update={"stalled": decision, "completion_time": None})
    text = rendered(summarize(with_status(history.resource, status), Place.MACHINE))
    assert "no task &lt;b&gt;x&lt;/b&gt;. " in text
    assert "run the same <code>mergesearch run</code> command with --retry" in text
    assert "`" not in Page(text).text


def test_each_problem_of_a_list_has_a_line_of_its_own_whatever_shows_the_page(history: History) -> None:
    decision = Decision(reason=Reason.PREFLIGHT_FAILED, message="CheckpointMissing: m-1\nTaskUnknown: <b>")
    summary = summarize(with_status(history.resource, history.statuses[1].model_copy(update={"stalled": decision})))
    text = rendered(summary)
    assert ">PreflightFailed:<br>CheckpointMissing: m-1<br>TaskUnknown: &lt;b&gt;<br>Mend what" in text


def test_every_table_is_there_with_every_row(complete: Summary, read: Page) -> None:
    for table in (
        tables.final(complete),
        tables.on_search(complete),
        tables.samples(complete),
        tables.generations(complete),
        tables.troubles(complete),
        tables.evaluations(complete),
    ):
        assert read.tables[table.caption] == [table.headers, *table.rows], table.caption


def test_the_weights_are_there_with_the_exact_ones_to_rebuild_the_merge(complete: Summary, read: Page) -> None:
    rows = read.tables[tables.weights(complete).caption][1:]
    assert [row[:2] for row in rows] == tables.weights(complete).rows
    exact = {row[0]: float(row[3]) for row in read.tables["Checkpoints and exact weights"][1:]}
    assert exact == {entry.checkpoint: entry.weight for entry in complete.weights}


def test_every_table_has_a_caption_and_its_cells_have_headers(read: Page) -> None:
    assert "" not in read.tables
    assert len(read.tables) == len(read.named("table")) == len(read.named("caption"))
    assert {header["scope"] for header in read.named("th")} == {"col", "row"}


def test_curves_are_drawn_for_wide_and_for_narrow_screens_and_pairs_of_tasks_once(read: Page) -> None:
    drawings = [one["class"] for one in read.named("svg") if one.get("role") == "img"]
    assert drawings == ["curve-wide", "curve-narrow", "pair-0", "volume-wide", "volume-narrow"]


def test_what_the_drawings_show_stands_beside_them_in_numbers(complete: Summary, read: Page) -> None:
    found = analysis.analyse(complete)
    assert isinstance(found.tradeoffs, Tradeoffs)
    assert isinstance(found.volume, Volume)
    for table in (
        finding_tables.pairs(complete, found.tradeoffs),
        finding_tables.front(complete, found.tradeoffs),
        finding_tables.volumes(found.volume),
        finding_tables.reference(complete, found.volume),
        tables.documents(complete),
    ):
        assert table.rows
        assert read.tables[table.caption] == [table.headers, *table.rows], table.caption
    for pair in explanations.volume(complete, found.volume):
        assert pair.value in read.text


def test_shaded_tables_say_in_numbers_what_their_shades_say(complete: Summary, read: Page) -> None:
    found = analysis.analyse(complete)
    assert isinstance(found.correlations, Correlations)
    assert isinstance(found.heatmap, Heatmap)
    for table in (finding_tables.matrix(complete, found.correlations), finding_tables.heatmap(complete, found.heatmap)):
        rows = [
            [*names, *(cell.text + cell.more for cell in cells)]
            for names, cells in zip(table.names, table.rows, strict=True)
        ]
        assert all(all(row) for row in rows)
        shown = [[cell.replace("\n", "") for cell in row] for row in read.tables[table.caption]]
        assert shown == [table.headers, *rows]


def test_the_way_to_a_copy_of_the_merge_and_the_share_of_the_training_are_told(complete: Summary) -> None:
    spent = dataclasses.replace(complete.spent, flops=3e16)
    priced = dataclasses.replace(complete, spent=spent, rebuild=dataclasses.replace(complete.rebuild, parameters=10**9))
    text = Page(page.render(priced, analysis.analyse(priced, 1.2e18))).text
    assert "mergesearch export SEARCH --output DIR" in text
    assert "2.5% of 1.20e18 FLOPs" in text
    assert "3.00e16: 2 × 1,000,000,000 parameters" in text
    assert "Share of the training" not in Page(rendered(priced)).text


def test_headings_do_not_skip_a_level_and_sections_are_named(read: Page) -> None:
    levels = [int(tag[1]) for tag, _ in read.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert set(levels[1:]) == {2}
    ids = {attributes["id"] for _, attributes in read.elements if "id" in attributes}
    labels = {name for _, one in read.elements for name in one.get("aria-labelledby", "").split()}
    assert labels <= ids


def test_no_id_is_used_twice(read: Page) -> None:
    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_all_numbers_can_be_taken_from_the_page_as_files(complete: Summary, read: Page) -> None:
    files = {link["download"]: base64.b64decode(link["href"].split(",", 1)[1]).decode() for link in read.named("a")}
    assert files["quick.json"] == data.text(complete, analysis.analyse(complete))
    assert json.loads(files["quick.json"])["findings"]["volume"]["error"] is None
    assert files["quick-results.csv"] == tables.to_csv(exact.results(complete))
    assert files["quick-candidates.csv"] == tables.to_csv(exact.candidates(complete))


def numbers_of(value: Any) -> Iterator[float]:
    """All numbers of a document, and how long its lists are."""
    if isinstance(value, dict):
        for entry in value.values():
            yield from numbers_of(entry)
    elif isinstance(value, list):
        yield len(value)
        for entry in value:
            yield from numbers_of(entry)
    elif isinstance(value, int | float):
        yield float(value)


def test_every_number_of_every_table_is_in_the_file_in_more_digits(complete: Summary, read: Page) -> None:
    document = json.loads(data.text(complete, analysis.analyse(complete)))
    known = sorted({number * factor for number in numbers_of(document) for factor in (1.0, 100.0)})
    shown = [cell for rows in read.tables.values() for row in rows[1:] for cell in row]
    texts = {
        text for cell in shown for text in re.findall(r"(?<![\w.])[-+]?\d*\.?\d+(?![\w-])", cell.replace("..", " "))
    }
    assert len(texts) > 60
    unknown = []
    for text in texts:
        value, half = float(text), 0.5 * 10.0 ** -len(text.partition(".")[2])
        place = bisect.bisect_left(known, value - half - 1e-9)
        if place == len(known) or known[place] > value + half + 1e-9:
            unknown.append(text)
    assert unknown == []


def test_the_same_summary_gives_the_same_page(complete: Summary, text: str) -> None:
    assert rendered(complete) == text


# --- What it does without ---


def test_it_needs_no_script_and_no_network(text: str, read: Page) -> None:
    assert not read.named("script")
    for tag, attributes in read.elements:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            if name != "xmlns":
                assert not re.match(r"(?i)\s*(https?:|//|javascript:)", value), (tag, name)
            if name in ("src", "href", "action", "xlink:href"):
                assert value.startswith(("#", "data:")), (tag, value)
    assert "@import" not in text
    assert set(re.findall(r"url\((.)", text)) <= {"#"}


def test_the_browser_is_told_to_load_nothing(read: Page) -> None:
    policy = next(one["content"] for one in read.named("meta") if one.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert "script" not in policy


def test_it_is_made_for_phones_darkness_and_paper(read: Page) -> None:
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in read.named("meta")
    assert "@media (prefers-color-scheme: dark)" in STYLE
    assert "@media print" in STYLE


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1, 2], ids=["light", "dark", "print"])
def test_every_colour_of_words_and_lines_stands_out_from_the_paper(scheme: int) -> None:
    """4.5 for words, 3 for what is drawn (WCAG 2.2, 1.4.3 and 1.4.11); the winner's star has an outline of ink."""
    colours = dict(re.findall(r"--([a-z]+):\s*(#[0-9a-f]{6})", STYLE.split(":root {")[scheme + 1].split("}")[0]))
    words = {"ink", "muted", "good", "warn", "bad"}
    for name in words | {"candidate", "best", "baseline", "failed"}:
        least = 4.5 if name in words else 3.0
        for ground in ("paper", "shade"):
            assert contrast(colours[name], colours[ground]) >= least, (name, ground)


@pytest.mark.parametrize("scheme", [0, 1, 2], ids=["light", "dark", "print"])
@pytest.mark.parametrize("hue", ["candidate", "best"])
def test_words_stand_out_from_the_darkest_shade_of_a_table(scheme: int, hue: str) -> None:
    colours = dict(re.findall(r"--([a-z]+):\s*(#[0-9a-f]{6})", STYLE.split(":root {")[scheme + 1].split("}")[0]))
    share = page.STRONGEST / 100.0
    parts = [
        round(share * int(colours[hue][i : i + 2], 16) + (1 - share) * int(colours["paper"][i : i + 2], 16))
        for i in (1, 3, 5)
    ]
    assert contrast(colours["ink"], "#" + "".join(f"{part:02x}" for part in parts)) >= 4.5


# --- What users may write ---

NASTY = "<script>alert(1)</script>"
QUOTED = '"><img src=x onerror=alert(1)>'


def test_names_and_messages_that_are_markup_stay_words() -> None:
    resource = histories.manifest(tasks=("a", NASTY), held_out=(QUOTED,), name=NASTY, metric=QUOTED, maxEvaluations=5)
    history = histories.run(resource, failing=frozenset({"c0002"}))
    broken = [record.model_copy(update={"message": NASTY}) for record in history.end.candidates]
    preflight = history.end.preflight.model_copy(update={"warnings": (NASTY,), "versions": {"lm_eval": QUOTED}})
    status = history.end.model_copy(
        update={"candidates": tuple(broken), "preflight": preflight, "images": {"Merge": QUOTED}}
    )
    read = Page(rendered(summarize(with_status(resource, status))))
    assert not read.named("script")
    assert not read.named("img")
    assert not [name for _, attributes in read.elements for name in attributes if name.startswith("on")]
    assert read.text.count(NASTY) >= 6
    assert read.text.count(QUOTED) >= 4


def test_a_stall_message_that_is_markup_stays_words(history: History) -> None:
    stalled = Decision(reason=Reason.PREFLIGHT_FAILED, message=f"m-0: {NASTY}")
    status = history.statuses[0].model_copy(update={"stalled": stalled})
    read = Page(rendered(summarize(with_status(history.resource, status))))
    assert not read.named("script")
    assert f"m-0: {NASTY}." in read.text


# --- At any moment ---


def moments(history: History) -> dict[str, MergeSearchStatus | None]:
    stalled = Decision(reason=Reason.STORAGE_FULL, message="no room")
    failed = Decision(reason=Reason.BUDGET_SPENT_UNCONFIRMED, message="nothing confirmed")
    return {
        "Not started": None,
        "Running": history.first(lambda status: 0 < status.counts.scored < 8),
        "Stalled": history.statuses[9].model_copy(update={"stalled": stalled}),
        "Failed": history.statuses[9].model_copy(update={"failed": failed}),
        "No proven gain": history.end,
        "A proven gain": clear(history.end),
    }


@pytest.mark.parametrize(
    ("headline", "begins"), [("Stalled", "StorageFull: no room"), ("Failed", "Nothing confirmed.")], ids=str
)
def test_the_sentence_below_a_headline_does_not_begin_with_it_again(
    history: History, headline: str, begins: str
) -> None:
    text = rendered(summarize(with_status(history.resource, moments(history)[headline])))
    assert f'<h2 id="verdict">{headline}</h2>\n<p class="sentence">{begins}' in text


def test_before_a_candidate_is_scored_a_sentence_stands_in_the_place_of_the_chart(history: History) -> None:
    status = history.first(lambda status: status.best is None and any(r.scores for r in status.baselines))
    text = rendered(summarize(with_status(history.resource, status)))
    assert "No candidate is scored yet: the chart begins with the first." in text
    drawings = [one["class"] for one in Page(text).named("svg") if one.get("role") == "img"]
    assert not [name for name in drawings if name.startswith("curve-")]


@pytest.mark.parametrize("headline", ["Not started", "Running", "Stalled", "Failed", "No proven gain", "A proven gain"])
def test_the_headline_says_in_words_what_the_colour_says(history: History, headline: str) -> None:
    summary = summarize(with_status(history.resource, moments(history)[headline]))
    read = Page(rendered(summary))
    assert f"{headline} · MergeSearch" in read.text
    said = summary.verdict if headline not in {"Stalled", "Failed"} else summary.verdict.partition(": ")[2][1:]
    assert said in read.text


def test_before_anything_is_scored_the_page_says_so_and_draws_nothing(history: History) -> None:
    read = Page(rendered(summarize(with_status(history.resource, None))))
    assert "Nothing is scored yet." in read.text
    assert not [one for one in read.named("svg") if one.get("role") == "img"]
    for why in ("0 checkpoints are scored; a correlation needs 3.", "No candidate is scored yet."):
        assert why in read.text
    assert "mergesearch export" not in read.text


@pytest.mark.parametrize("tasks", [("a",), ("a", "b", "c", "d", "e", "f", "g", "h")], ids=["one", "eight"])
def test_a_page_can_be_made_for_the_fewest_and_the_most_tasks(tasks: tuple[str, ...]) -> None:
    history = histories.run(histories.manifest(tasks=tasks, maxEvaluations=6))
    read = Page(rendered(summarize(with_status(history.resource, history.end))))
    drawings = [one["class"] for one in read.named("svg") if one.get("role") == "img"]
    assert sum(name.startswith("pair-") for name in drawings) == (0 if len(tasks) == 1 else analysis.MAX_PAIRS)
    assert ("there is nothing to trade off" in read.text) == (len(tasks) == 1)
    assert ("the 6 of 28 pairs with the lowest ρ" in read.text) == (len(tasks) == 8)
