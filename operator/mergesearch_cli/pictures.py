"""The tables of a report as a terminal shows them."""

from rich.table import Table as Picture
from rich.text import Text

from mergesearch.report.tables import Table


def picture(table: Table, *, no_wrap: bool = False) -> Picture:
    """Words to the left, numbers to the right; no name in it is taken for markup."""
    found = Picture(title=Text(table.caption, style="table.title"), title_justify="left")
    for number, header in enumerate(table.headers):
        found.add_column(Text(header), justify="left" if number < table.words else "right", no_wrap=no_wrap)
    for row in table.rows:
        found.add_row(*map(Text, row))
    return found
