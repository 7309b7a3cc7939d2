"""The final table on a narrow terminal."""

from mergesearch.report import tables
from mergesearch.report.summary import summarize
from unit.report import histories
from unit.report.histories import History


def test_the_short_table_has_the_same_rows_without_tasks_and_search_samples(history: History) -> None:
    complete = summarize(histories.with_status(history.resource, history.end))
    whole, short = tables.final(complete), tables.short(complete)
    assert [row[:2] for row in short.rows] == [row[:2] for row in whole.rows]
    assert short.headers == ["model", "role", "unseen", "winner's gain", "95% interval", "p"]
    assert all(len(row) == len(short.headers) for row in short.rows)
