"""`mergesearch report`: the page of a search, with all its numbers in a file beside it."""

import math
from pathlib import Path

from rich.console import Console

from mergesearch.api.resource import MergeSearch
from mergesearch.errors import InvalidManifestError
from mergesearch.reasons import Reason
from mergesearch.report import summary
from mergesearch.report.advice import Place
from mergesearch_cli import output, source

NUMBERS = ".json"
"""Suffix of the file beside the page."""


def report(path: Path, page: Path | None, training_flops: float | None, console: Console) -> None:
    """Write the page of a search and its numbers. Raises InvalidManifestError where there is no search, or where
    `page` cannot be one; GiveUpError.
    """
    if training_flops is not None and not (math.isfinite(training_flops) and training_flops > 0.0):
        raise _wrong(f"--training-flops {training_flops}: this is no number above 0, such as 1.2e22")
    read = source.read(path)
    page = page or (read.state.report if read.state is not None else Path("report.html"))
    output.refuse(page, "--output")
    if page.suffix == NUMBERS:
        raise _wrong(f"--output {page}: name the page, such as {page.with_suffix('.html')}; the numbers go beside it")
    write(read.begun, page, read.place, training_flops)
    console.print(str(page), markup=False, highlight=False, soft_wrap=True)


def write(resource: MergeSearch, page: Path, place: Place = Place.MACHINE, training_flops: float | None = None) -> None:
    """Write the page of a search and the file beside it. Raises GiveUpError."""
    # It draws with matplotlib and counts with scipy, which no other command should have to wait for.
    from mergesearch.report import analysis, data
    from mergesearch.report import page as pages

    found = summary.summarize(resource, place)
    findings = analysis.analyse(found, training_flops)
    then = "mend that, or name another file with `mergesearch report -o`; the search itself is kept"
    output.write(page.absolute(), pages.render(found, findings), then=then)
    output.write(page.absolute().with_suffix(NUMBERS), data.text(found, findings), then=then)


def _wrong(message: str) -> InvalidManifestError:
    return InvalidManifestError(message, reason=Reason.MALFORMED_REQUEST)
