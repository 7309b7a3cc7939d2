"""`mergesearch compare`: one table over several searches."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from mergesearch.errors import InvalidManifestError
from mergesearch.export import text
from mergesearch.reasons import Reason
from mergesearch.report import comparison, tables
from mergesearch_cli import pictures, source


def compare(paths: Sequence[Path], form: str, console: Console) -> None:
    """Print the table. Raises InvalidManifestError, GiveUpError."""
    resources = [resource for path in paths for resource in source.read(path).resources]
    names = [resource.metadata.uid or resource.metadata.name for resource in resources]
    again = next((one for number, one in enumerate(resources) if names[number] in names[:number]), None)
    if again is not None:
        message = f"{again.metadata.name}: this search is given twice"
        raise InvalidManifestError(message, reason=Reason.MALFORMED_REQUEST)
    lines = comparison.lines(resources)
    found, notes = comparison.table(lines), comparison.notes(lines)
    if form == "csv":
        console.file.write(tables.to_csv(comparison.exact_table(lines)))
    elif form == "markdown":
        written = [text.markdown(found.caption), "", text.table(found.headers, found.rows, found.words)]
        written += [f"\n{text.markdown(note)}" for note in notes]
        console.file.write("\n".join(written) + "\n")
    else:
        console.print(pictures.picture(found))
        for note in notes:
            console.print(note, markup=False, highlight=False, soft_wrap=True)
