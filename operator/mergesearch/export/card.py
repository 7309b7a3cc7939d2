"""The model card of a merge: README.md as the Hugging Face hub reads it, with nothing left out that speaks against the
merge; pure.

The template escapes whatever is put into it; only the tables, whose cells are escaped here, and the front matter are
put in as they are.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import jinja2

from mergesearch.api.status import Record, RecordState
from mergesearch.export import model_index, recipe, subject, tables, text
from mergesearch.export.subject import Subject
from mergesearch.lifecycle import phrases
from mergesearch.report import facts, wording
from mergesearch.report import tables as report_tables

FILE = "README.md"
TEMPLATE = "README.md.j2"
TAGS = ("merge", "mergesearch")
LIBRARY = "transformers"
FILES = {"recipe": recipe.FILE, "weights": tables.WEIGHTS_FILE, "candidates": tables.CANDIDATES_FILE}
ON_UNSEEN = "On samples that the search never saw, and on held-out tasks."
ON_SEARCH = (
    "On the samples that the search saw, which flatter what was chosen by them: it was not scored on unseen samples, "
    "so this card has no scores for programs."
)
NOT_SCORED = "It has no score."

Bases = Mapping[str, str]
"""Ids on the hub by the names of checkpoints; the others go by their names."""


def card(chosen: Subject, bases: Bases) -> str:
    """The text of README.md."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("mergesearch.export"),
        finalize=text.markdown,
        autoescape=False,  # noqa: S701 - this is Markdown, and `finalize` escapes every value for it
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    summary = chosen.summary
    comparison, questions = report_tables.final(summary), report_tables.questions(summary)
    return environment.get_template(TEMPLATE).render(
        front=text.Raw(text.to_yaml(metadata(chosen, bases))),
        title=f"{summary.name}: {chosen.id}",
        what=_what(chosen),
        summary=summary,
        notes=(*_reservations(chosen), *summary.notes),
        weights=_weights(chosen, bases),
        left_out=_left_out(chosen),
        files={name: text.Raw(file) for name, file in FILES.items()},
        scored_on=_scored_on(chosen),
        scores=_scores(chosen),
        comparison=text.table(comparison.headers, comparison.rows, comparison.words) if comparison.rows else None,
        comparison_caption=comparison.caption,
        questions=text.table(questions.headers, questions.rows, questions.words),
        questions_caption=questions.caption,
        proof=facts.proof(summary),
        found=(*facts.learning(summary), *facts.rebuild(summary)),
    )


def metadata(chosen: Subject, bases: Bases) -> dict[str, Any]:
    """The front matter."""
    found: dict[str, Any] = {
        "base_model": [text.Quoted(bases.get(source.name, source.name)) for source in chosen.merged],
        "base_model_relation": "merge",
        "library_name": LIBRARY,
        "pipeline_tag": model_index.TASK_TYPE,
        "tags": list(TAGS),
    }
    index = model_index.entries(chosen)
    return {**found, "model-index": index} if index else found


def _what(chosen: Subject) -> str:
    spec = chosen.resource.spec
    count = phrases.count(len(chosen.merged), "checkpoint")
    merge = f"A linear merge of {count}, the weighted sum of their weights in {spec.merge.dtype}, made by MergeSearch"
    return f"{merge}. In the search {chosen.summary.name} it is {subject.kind_in_words(chosen.record.kind)}."


def _reservations(chosen: Subject) -> Iterator[str]:
    """What has to be known of this merge before its numbers are."""
    confirmed = chosen.status.confirmed
    if confirmed is None:
        yield "Its search has confirmed no winner: nothing is proven of this merge."
    elif not chosen.is_winner:
        yield f"This merge is not the winner of its search, which is {confirmed.id}; gains below are the winner's."
    elif confirmed.better is not None:
        yield f"The winner is not the better choice: {_called(chosen, confirmed.better.id)} has more on unseen samples."
    if chosen.is_winner and chosen.summary.finalists > 1:
        yield (
            f"It was chosen among {chosen.summary.finalists} finalists by its score on these very samples, which "
            "flatters that score a little; p and the lower end of the interval allow for it."
        )


def _called(chosen: Subject, identity: str) -> str:
    row = next((row for row in chosen.summary.rows if row.id == identity), None)
    return row.name if row is not None else identity


def _left_out(chosen: Subject) -> str:
    some = [source.name for source in chosen.sources if source.weight == 0.0]
    if not some:
        return ""
    verb = "has" if len(some) == 1 else "have"
    return f"{phrases.count(len(some), 'checkpoint')} of the search {verb} no part in it: {phrases.listed(some)}."


def _weights(chosen: Subject, bases: Bases) -> text.Raw:
    rows = [
        [source.name, bases.get(source.name, ""), wording.weight(source.weight)]
        for source in sorted(chosen.merged, key=lambda source: -source.weight)
    ]
    if any(row[1] for row in rows):
        return text.table(["checkpoint", "model", "weight"], rows, words=2)
    return text.table(["checkpoint", "weight"], [[row[0], row[2]] for row in rows], words=1)


def _scored_on(chosen: Subject) -> str:
    if chosen.unseen is not None:
        return ON_UNSEEN
    return ON_SEARCH if chosen.record.state is RecordState.SCORED else NOT_SCORED


def _scores(chosen: Subject) -> text.Raw:
    """Score, standard error and number of samples of every task, on the best samples there are."""
    record: Record = chosen.unseen or chosen.record
    rows = []
    for task, score, error in zip(chosen.summary.tasks, record.scores, record.errors, strict=False):
        number = task.unseen_samples if chosen.unseen is not None else task.search_samples
        rows.append(
            [
                task.name,
                "held-out" if task.held_out else "held-in",
                f"{task.metric}, {task.filter}",
                wording.with_unit(wording.score(score, task.scale), task.scale),
                wording.score(error, task.scale),
                wording.NOTHING if number is None else f"{number:,}",
            ]
        )
    if not rows:
        return text.Raw("")
    return text.table(["task", "side", "metric", "score", "standard error", "samples"], rows, words=3)
