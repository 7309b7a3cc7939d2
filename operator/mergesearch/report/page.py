"""The report as one HTML page that needs no network and no script.

The template escapes everything; only the drawings, in which no user's word stands, are put in as they are.
"""

import base64
import json
from dataclasses import dataclass

import jinja2

from mergesearch.lifecycle import phrases
from mergesearch.report import data, facts, plots, tables, wording
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


@dataclass(frozen=True)
class Download:
    """A file inside the page."""

    name: str
    href: str


def render(summary: Summary) -> str:
    """The page. The same summary gives the same text."""
    page = _environment().get_template(TEMPLATE)
    return page.render(
        summary=summary,
        headline=HEADLINES[summary.outcome],
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
        cost=facts.cost(summary),
        rebuild=facts.rebuild(summary),
        exact=_exact(summary),
        downloads=_downloads(summary),
        phrases=phrases,
        wording=wording,
    )


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("mergesearch.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _curves(summary: Summary) -> tuple[str, ...]:
    """One drawing for wide screens and paper, one for phones; the style sheet shows one of them."""
    if not summary.evaluations and not summary.lines:
        return ()
    return (
        plots.fitness_curve(summary, plots.WIDE, "curve-wide"),
        plots.fitness_curve(summary, plots.NARROW, "curve-narrow"),
    )


def _exact(summary: Summary) -> tables.Table:
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


def _downloads(summary: Summary) -> tuple[Download, ...]:
    numbers = json.dumps(data.document(summary), allow_nan=False, indent=1)
    return (
        _download(f"{summary.name}.json", "application/json", numbers),
        _download(f"{summary.name}-results.csv", "text/csv", tables.to_csv(tables.final(summary))),
        _download(f"{summary.name}-candidates.csv", "text/csv", tables.to_csv(tables.evaluations(summary))),
    )


def _download(name: str, kind: str, text: str) -> Download:
    encoded = base64.b64encode(text.encode()).decode()
    return Download(name=name, href=f"data:{kind};charset=utf-8;base64,{encoded}")
