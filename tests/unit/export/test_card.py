"""The model card, read by huggingface_hub as the hub does, and by a parser of Markdown."""

from typing import Any

import pytest
import yaml
from huggingface_hub import EvalResult, ModelCard, ModelCardData
from markdown_it import MarkdownIt
from markdown_it.token import Token

from mergesearch.api import document
from mergesearch.api.resource import MergeSearch
from mergesearch.export import card, recipe, subject, text
from unit.export import searches
from unit.report import histories
from unit.report.histories import History


def read(resource: MergeSearch, candidate: str | None = None, **bases: str) -> ModelCard:
    return ModelCard(card.card(subject.choose(resource, candidate), bases))


def data(found: ModelCard) -> Any:
    """The front matter, as the hub understands it."""
    assert isinstance(found.data, ModelCardData)
    return found.data


def results(found: ModelCard) -> list[EvalResult]:
    return list(data(found).eval_results or [])


def tokens(markdown: str) -> list[Token]:
    """All tokens, those inside lines too."""
    parsed = MarkdownIt("commonmark", {"html": True}).enable("table").parse(markdown)
    return [inner for token in parsed for inner in (token, *(token.children or ()))]


def words(markdown: str) -> str:
    """What a reader sees, in one line."""
    return " ".join(token.content for token in tokens(markdown) if token.type in ("text", "text_special"))


def cells(markdown: str) -> list[str]:
    parsed = MarkdownIt("commonmark").enable("table").parse(markdown)
    return [
        "".join(child.content for child in parsed[place + 1].children or ())
        for place, token in enumerate(parsed)
        if token.type in ("td_open", "th_open")
    ]


# --- Front matter ---


def test_the_hub_is_told_what_it_was_merged_from_and_how_to_load_it(history: History) -> None:
    told = data(read(searches.finished(history)))
    assert told.base_model == ["m-0", "m-1", "m-2", "m-3"]
    assert told["base_model_relation"] == "merge"
    assert told.library_name == "transformers"
    assert told.pipeline_tag == "text-generation"
    assert told.tags == ["merge", "mergesearch"]


def test_checkpoints_without_a_share_are_no_base_models(sparse: History) -> None:
    resource = searches.finished(sparse)
    seen = set()
    for record in sparse.end.candidates:
        chosen = subject.choose(resource, record.id)
        expected = [source.name for source in chosen.sources if source.weight]
        assert data(read(resource, record.id)).base_model == expected
        seen.add(len(expected))
    assert min(seen) < 8


def test_a_checkpoint_goes_by_its_id_on_the_hub_where_that_is_given(history: History) -> None:
    found = read(searches.finished(history), **{"m-2": "team/other"})
    assert data(found).base_model == ["m-0", "m-1", "team/other", "m-3"]
    assert "team/other" in cells(found.text)


def test_scores_are_those_on_unseen_samples_and_held_out_tasks_with_their_number_and_error(history: History) -> None:
    resource = searches.finished(history)
    tasks = resource.spec.objective.tasks
    asked = tasks[0].model_copy(update={"num_fewshot": 5, "chat_template": True})
    objective = resource.spec.objective.model_copy(update={"tasks": (asked, *tasks[1:])})
    resource = resource.model_copy(update={"spec": resource.spec.model_copy(update={"objective": objective})})
    chosen = subject.choose(resource, None)
    assert chosen.unseen is not None
    found = results(read(resource))
    assert [(one.dataset_name, one.dataset_split) for one in found] == [
        ("a", "unseen"),
        ("b", "unseen"),
        ("h", "held-out"),
    ]
    assert tuple(one.metric_value for one in found) == chosen.unseen.scores
    assert [one.metric_args for one in found] == [
        {"samples": number, "standard_error": error}
        for number, error in zip((200, 200, 400), chosen.unseen.errors, strict=True)
    ]
    assert {one.metric_type for one in found} == {"acc"}
    assert [one.dataset_args for one in found] == [
        {"num_few_shot": 5, "chat_template": True},
        *[{"chat_template": False}] * 2,
    ]


def test_what_was_not_scored_on_unseen_samples_has_no_scores_for_programs_and_says_so(history: History) -> None:
    resource = searches.finished(history)
    confirmed = {record.id for record in history.end.confirmations}
    other = next(record.id for record in history.end.candidates if record.id not in confirmed)
    found = read(resource, other)
    assert results(found) == []
    assert "model-index" not in data(found).to_dict()
    assert "which flatter what was chosen by them" in words(found.text)


def test_the_hub_writes_it_again_as_it_is(history: History) -> None:
    found = read(searches.finished(history))
    again = ModelCard(str(found))
    assert data(again).to_dict() == data(found).to_dict()
    assert again.text == found.text


# --- What it says ---


def test_the_verdict_stands_before_all_numbers(history: History) -> None:
    resource = searches.finished(history)
    found = read(resource)
    verdict = subject.choose(resource, None).summary.verdict
    assert verdict in words(found.text)
    assert words(found.text).index(verdict) < words(found.text).index("Weights")


@pytest.mark.parametrize("baseline", ["uniform", "merge-best"])
def test_it_says_that_a_baseline_is_the_better_choice(history: History, baseline: str) -> None:
    said = words(read(searches.behind(history, baseline)).text)
    assert f"The winner is not the better choice: {baseline} has more on unseen samples." in said
    assert "No gain over" in said


def test_it_says_that_a_gain_may_be_chance(history: History) -> None:
    status = histories.clear(history.end, uniform=(0.01, -0.01, 0.03, 0.2))
    said = words(read(searches.finished(history, status)).text)
    assert "No significant gain over uniform" in said


def test_a_clear_gain_has_no_reservation(history: History) -> None:
    said = words(read(searches.finished(history, histories.clear(history.end))).text)
    assert "beats" in said
    assert "better choice" not in said


def test_another_merge_than_the_winner_is_not_dressed_as_one(history: History) -> None:
    resource = searches.finished(history)
    assert history.end.confirmed is not None
    said = words(read(resource, "uniform").text)
    assert f"This merge is not the winner of its search, which is {history.end.confirmed.id}" in said
    assert "In the search quick it is the uniform merge, a baseline" in said


def test_before_the_end_nothing_is_proven(history: History) -> None:
    middle = history.first(lambda status: status.best is not None)
    assert middle.best is not None
    said = words(read(searches.finished(history, middle), middle.best.id).text)
    assert "has confirmed no winner: nothing is proven" in said


def test_the_table_holds_every_baseline_that_was_scored(history: History) -> None:
    found = cells(read(searches.finished(history)).text)
    assert {"uniform", "merge-best", "m-0", "m-1", "m-2", "m-3"} <= set(found)


def test_it_says_how_the_tasks_were_asked_and_by_what(history: History) -> None:
    found = read(searches.finished(history)).text
    said, table = words(found), cells(found)
    assert "How the tasks are asked" in said
    assert "Evaluator: vllm, bfloat16" in said
    start = table.index("chat template") - 3
    assert table[start : start + 12] == [
        *("task", "metric", "filter", "chat template", "samples", "examples in the prompt"),
        *("a", "acc", "none", "no", "chosen with seed 1", "the task's own"),
    ]


# --- Names that people chose ---

ALLOWED = {
    "text",
    "text_special",
    "softbreak",
    "code_inline",
    "strong_open",
    "strong_close",
    "inline",
    "fence",
    *(f"{kind}_{end}" for kind in ("heading", "paragraph", "list_item", "bullet_list") for end in ("open", "close")),
    *(f"{kind}_{end}" for kind in ("table", "thead", "tbody", "tr", "th", "td") for end in ("open", "close")),
}


def test_names_are_text_and_nothing_else(nasty: History) -> None:
    found = read(searches.finished(nasty))
    assert {token.type for token in tokens(found.text)} <= ALLOWED
    plain = read(searches.finished(histories.run(histories.manifest())))
    shape = [token.type for token in tokens(plain.text) if token.type.startswith(("td", "tr", "heading", "strong"))]
    assert [t.type for t in tokens(found.text) if t.type.startswith(("td", "tr", "heading", "strong"))] == shape


def test_every_reader_of_yaml_takes_names_for_text(nasty: History) -> None:
    """Kubernetes' reader has other rules than Python's, under which `1e5` is a number, as under those of YAML 1.2."""
    front = card.card(searches.winner(nasty), {}).split("---\n", 2)[1]
    assert document.read(front).value == yaml.safe_load(front)
    config = recipe.recipe(searches.winner(nasty), {})
    assert document.read(config).value == yaml.safe_load(config)


def test_names_are_read_as_they_were_chosen(nasty: History) -> None:
    name = nasty.resource.spec.objective.tasks[0].name
    found = read(searches.finished(nasty))
    assert text.line(name) in cells(found.text)
    assert results(found)[0].dataset_name == name
    assert results(found)[0].metric_type == name
