"""Searches to export, made by the core itself, and what a nasty person would call things in them."""

from typing import Any

from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import Better, MergeSearchStatus
from mergesearch.export import subject
from mergesearch.export.subject import Subject
from unit.report import histories
from unit.report.histories import History

NASTY = {
    "yaml": 'a: "b" # c\n- d',
    "end of the front matter": "x\n---\ny",
    "html": "<script>alert(1)</script>",
    "table": "a|b||c",
    "link": "[click](https://example.org) ![i](j)",
    "emphasis": "*a* _b_ `c` ~d~ $e$ \\f",
    "entity": "&lt;&#60;",
    "formula": "=1+1",
    "unicode": "größe 🧪 \u202eevil\u2028line",
    "number": "1e5",
    "word": "yes",
}
"""What a person may call a task or a metric, each of another kind."""


def finished(history: History, status: MergeSearchStatus | None = None) -> MergeSearch:
    """The resource at its end."""
    return histories.with_status(history.resource, status or history.end)


def winner(history: History) -> Subject:
    """What is exported if nothing else is asked for."""
    return subject.choose(finished(history), None)


def behind(history: History, baseline: str) -> MergeSearch:
    """The search as if this baseline were ahead of the winner."""
    status = history.end
    worse = histories.clear(status, **{baseline.replace("-", "_"): (-0.02, -0.04, 0.001, 0.97)})
    assert worse.confirmed is not None
    ahead = worse.confirmed.model_copy(update={"better": Better(id=baseline, path=f"uid/merges/{baseline}")})
    return finished(history, worse.model_copy(update={"confirmed": ahead}))


def nasty(words: str, **search: Any) -> History:
    """A search in which people have given such names wherever they can."""
    plain = histories.manifest(tasks=(words, "b"), held_out=(f"h {words}",), metric=words, **search)
    sources = list(plain.spec.checkpoints)
    sources[1] = sources[1].model_copy(update={"path": f"m 'x' {words}/m-1"})
    spec = plain.spec.model_copy(update={"checkpoints": tuple(sources)})
    meta = plain.metadata.model_copy(update={"name": words})
    return histories.run(plain.model_copy(update={"spec": spec, "metadata": meta}))
