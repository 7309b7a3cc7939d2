"""The report as one HTML page that needs no network and no script.

The template escapes everything; only the drawings, whose words are escaped when they are written, are put in as they
are.
"""

import base64
import re
from dataclasses import dataclass
from typing import Any

import jinja2

from mergesearch.lifecycle import phrases
from mergesearch.report import (
    canvas,
    data,
    exact,
    explanations,
    facts,
    finding_tables,
    plots,
    tables,
    tradeoff_plot,
    volume_plot,
    wording,
)
from mergesearch.report.correlation import Correlations
from mergesearch.report.findings import Findings, Heatmap, Pair, Tradeoffs, Volume
from mergesearch.report.shapes import Outcome, Role, Summary

TEMPLATE = "report.html.j2"
HEADLINES = {
    Outcome.NOT_STARTED: "Not started",
    Outcome.RUNNING: "Running",
    Outcome.SUSPENDED: "Suspended",
    Outcome.STALLED: "Stalled",
    Outcome.FAILED: "Failed",
    Outcome.GAIN: "A proven gain",
    Outcome.NO_GAIN: "No proven gain",
    Outcome.UNPROVEN: "Nothing proven",
}
SWATCH_DASHES = {
    role: ",".join(f"{1.4 * length:g}" for length in pattern) for role, (_, pattern) in plots.DASHES.items()
}
"""The dashes of the drawing, for the legend beside it."""
STALL = re.compile(r"^Stalled \((\w+)\):")
STRONGEST = 45.0
"""Percent of colour in the darkest cell of a shaded table; its words have to stand out from it."""


@dataclass(frozen=True)
class Download:
    """A file inside the page."""

    name: str
    href: str


@dataclass(frozen=True)
class Scatter:
    """A drawing of two tasks with what stands beside it."""

    across: str
    upwards: str
    drawing: str
    note: str
    """The correlation, in words."""


def render(summary: Summary, findings: Findings) -> str:
    """The page. The same summary and findings give the same text."""
    page = _environment().get_template(TEMPLATE)
    return page.render(
        summary=summary,
        headline=HEADLINES[summary.outcome],
        sentence=_sentence(summary),
        curves=_curves(summary),
        dashes=SWATCH_DASHES,
        winner_role=Role.WINNER.value,
        final=tables.final(summary),
        on_search=tables.on_search(summary) if summary.confirmed else None,
        weights=tables.weights(summary),
        samples=tables.samples(summary),
        generations=tables.generations(summary),
        evaluations=tables.evaluations(summary),
        troubles=tables.troubles(summary),
        proof=facts.proof(summary),
        learning=facts.learning(summary),
        cost=(*facts.cost(summary), *explanations.compute(findings.compute)),
        rebuild=facts.rebuild(summary),
        exact=_exact_weights(summary),
        questions=tables.questions(summary),
        documents=tables.documents(summary),
        downloads=_downloads(summary, findings),
        strongest=STRONGEST,
        phrases=phrases,
        wording=wording,
        **_tradeoffs(summary, findings),
        **_volume(summary, findings),
        **_correlations(summary, findings),
        **_heatmap(summary, findings),
    )


def _tradeoffs(summary: Summary, findings: Findings) -> dict[str, Any]:
    found = findings.tradeoffs
    if not isinstance(found, Tradeoffs):
        return {"tradeoffs": None, "why_no_tradeoffs": found.why}
    return {
        "tradeoffs": explanations.tradeoffs(found),
        "scatters": [_scatter(summary, found, pair, number) for number, pair in enumerate(found.pairs)],
        "pairs_table": finding_tables.pairs(summary, found),
        "front": finding_tables.front(summary, found),
        "has_line": any(pair.fit is not None for pair in found.pairs),
        "roles": {point.role.value for point in found.points},
    }


def _scatter(summary: Summary, found: Tradeoffs, pair: Pair, number: int) -> Scatter:
    tasks = summary.held_in
    first, second = tasks[pair.first], tasks[pair.second]
    title = f"{second.name} over {first.name}"
    scales = (first.scale, second.scale)
    return Scatter(
        across=wording.task(first),
        upwards=wording.task(second),
        drawing=tradeoff_plot.scatter(found, pair, scales, f"pair-{number}", title),
        note=wording.correlation(pair.rho, pair.p),
    )


def _volume(summary: Summary, findings: Findings) -> dict[str, Any]:
    found = findings.volume
    if not isinstance(found, Volume):
        return {"volume": None, "why_no_volume": found.why}
    evaluations = len(summary.evaluations)
    return {
        "volume": explanations.volume(summary, found),
        "volume_curves": (
            volume_plot.volume_curve(found, evaluations, canvas.WIDE, "volume-wide"),
            volume_plot.volume_curve(found, evaluations, canvas.NARROW, "volume-narrow"),
        ),
        "volumes": finding_tables.volumes(found),
        "reference": finding_tables.reference(summary, found),
    }


def _correlations(summary: Summary, findings: Findings) -> dict[str, Any]:
    found = findings.correlations
    if not isinstance(found, Correlations):
        return {"correlations": None, "why_no_correlations": found.why}
    return {
        "correlations": explanations.correlations(found),
        "matrix": finding_tables.matrix(summary, found),
    }


def _heatmap(summary: Summary, findings: Findings) -> dict[str, Any]:
    found = findings.heatmap
    if not isinstance(found, Heatmap):
        return {"heatmap": None, "why_no_heatmap": found.why}
    return {"heatmap": finding_tables.heatmap(summary, found)}


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("mergesearch.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _sentence(summary: Summary) -> str:
    """The verdict below a headline that says its first word already."""
    said = summary.verdict.removeprefix(f"{HEADLINES[summary.outcome]}: ")
    if said == summary.verdict:
        return STALL.sub(r"\1:", said)
    return said[:1].upper() + said[1:]


def _curves(summary: Summary) -> tuple[str, ...]:
    """One drawing for wide screens and paper, one for phones; the style sheet shows one of them. Nothing before the
    first score of a candidate: baselines alone are no curve.
    """
    if all(one.fitness is None for one in summary.evaluations):
        return ()
    return (
        plots.fitness_curve(summary, canvas.WIDE, "curve-wide"),
        plots.fitness_curve(summary, canvas.NARROW, "curve-narrow"),
    )


def _exact_weights(summary: Summary) -> tables.Table:
    """The inputs with the weights as they were merged, to the last digit."""
    known = {entry.checkpoint: entry.weight for entry in summary.weights}
    rows = [
        [
            source.name,
            f"{source.volume}/{source.path}",
            wording.fingerprint(source.fingerprint),
            repr(known[source.name]) if source.name in known else wording.NOTHING,
        ]
        for source in summary.rebuild.checkpoints
    ]
    headers = ["checkpoint", "folder", "fingerprint", "exact weight"]
    return tables.Table(caption="Checkpoints and exact weights", headers=headers, rows=rows, words=3)


def _downloads(summary: Summary, findings: Findings) -> tuple[Download, ...]:
    return (
        _download(f"{summary.name}.json", "application/json", data.text(summary, findings)),
        _download(f"{summary.name}-results.csv", "text/csv", tables.to_csv(exact.results(summary))),
        _download(f"{summary.name}-candidates.csv", "text/csv", tables.to_csv(exact.candidates(summary))),
    )


def _download(name: str, kind: str, text: str) -> Download:
    encoded = base64.b64encode(text.encode()).decode()
    return Download(name=name, href=f"data:{kind};charset=utf-8;base64,{encoded}")
