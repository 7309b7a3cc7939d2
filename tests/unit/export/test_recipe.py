"""The configuration of mergekit as a document; what mergekit makes of it is tested with mergekit itself."""

from pathlib import PurePath
from typing import Any

import pytest
import yaml

from mergesearch.export import recipe, subject
from mergesearch.lifecycle import strategy
from unit.export import searches
from unit.report import histories
from unit.report.histories import History

FOLDERS = {"checkpoints": PurePath("/data/checkpoints")}


def read(history: History, candidate: str | None = None, folders: recipe.Folders = FOLDERS) -> dict[str, Any]:
    chosen = subject.choose(searches.finished(history), candidate)
    found: dict[str, Any] = yaml.safe_load(recipe.recipe(chosen, folders))
    return found


def test_weights_are_those_that_were_merged_to_the_last_bit(history: History) -> None:
    spec = history.resource.spec
    for record in history.end.candidates:
        models = read(history, record.id)["models"]
        assert tuple(entry["parameters"]["weight"] for entry in models) == strategy.weights(spec, record)


def test_they_are_not_normalised_again(history: History) -> None:
    assert read(history)["parameters"] == {"normalize": False}


def test_a_checkpoint_without_a_share_is_left_out_but_for_the_one_with_the_tokenizer(sparse: History) -> None:
    spec, seen = sparse.resource.spec, set()
    for record in sparse.end.candidates:
        weights = strategy.weights(spec, record)
        found = {entry["model"]: entry["parameters"]["weight"] for entry in read(sparse, record.id)["models"]}
        expected = {
            f"/data/checkpoints/m-{place}": weight
            for place, weight in enumerate(weights)
            if weight != 0.0 or place == 0
        }
        assert found == expected
        seen.add(weights[0] == 0.0)
    assert seen == {True, False}, "both cases have to be met"


def test_config_and_tokenizer_come_from_the_checkpoint_that_the_search_took_them_from(history: History) -> None:
    assert read(history)["base_model"] == "/data/checkpoints/m-0"
    other = history.resource.spec.merge.model_copy(update={"tokenizer_from": "m-2"})
    spec = history.resource.spec.model_copy(update={"merge": other})
    changed = history.resource.model_copy(update={"spec": spec})
    assert read(History(changed, history.statuses))["base_model"] == "/data/checkpoints/m-2"


def test_nothing_rebuilds_the_vocabulary(history: History) -> None:
    assert not {"tokenizer_source", "tokenizer", "chat_template"} & read(history).keys()


@pytest.mark.parametrize(
    ("dtype", "summed", "written"),
    [("bfloat16", "float32", "bfloat16"), ("float16", "float32", "float16"), ("float32", "float64", "float32")],
)
def test_it_is_summed_and_written_as_the_merger_does(history: History, dtype: str, summed: str, written: str) -> None:
    merge = history.resource.spec.merge.model_copy(update={"dtype": dtype})
    spec = history.resource.spec.model_copy(update={"merge": merge})
    found = read(History(history.resource.model_copy(update={"spec": spec}), history.statuses))
    assert (found["dtype"], found["out_dtype"]) == (summed, written)


def test_a_volume_that_nobody_knows_is_the_first_part_of_a_path_and_said_to_be(history: History) -> None:
    chosen = searches.winner(history)
    text = recipe.recipe(chosen, {})
    assert yaml.safe_load(text)["base_model"] == "checkpoints/m-0"
    assert "--volume checkpoints=DIR" in text
    assert "--volume" not in recipe.recipe(chosen, FOLDERS)


def test_only_the_volumes_of_its_own_inputs_are_asked_for(history: History) -> None:
    assert recipe.unknown_volumes(searches.winner(history), {"workspace": PurePath("/w")}) == ("checkpoints",)
    assert recipe.unknown_volumes(searches.winner(history), FOLDERS) == ()


def paths(found: dict[str, Any]) -> list[str]:
    """The paths as mergekit takes them: in a mapping as they are, as a text only without its own signs."""
    models = [found["base_model"], *(entry["model"] for entry in found["models"])]
    for model in models:
        assert isinstance(model, dict) or not {"+", "@"} & set(model)
    return [model["model"]["path"] if isinstance(model, dict) else model for model in models[1:]]


def test_any_path_comes_out_as_it_went_in(nasty: History) -> None:
    sources = nasty.resource.spec.checkpoints
    assert paths(read(nasty, "uniform")) == [str(PurePath("/data/checkpoints", source.path)) for source in sources]


@pytest.mark.parametrize("sign", recipe.SPECIAL)
def test_a_path_with_a_sign_that_mergekit_reads_as_its_own_is_told_as_a_path(history: History, sign: str) -> None:
    folders = {"checkpoints": PurePath(f"/data/a{sign}b")}
    assert paths(read(history, "uniform", folders)) == [f"/data/a{sign}b/m-{place}" for place in range(4)]


def test_every_line_before_the_first_key_is_a_comment(nasty: History) -> None:
    text = recipe.recipe(searches.winner(nasty), {})
    head = text.partition("merge_method:")[0]
    assert head
    assert all(line.startswith("#") for line in head.splitlines())


def test_the_same_search_gives_the_same_text(history: History) -> None:
    again = histories.run(histories.manifest())
    assert recipe.recipe(searches.winner(again), FOLDERS) == recipe.recipe(searches.winner(history), FOLDERS)
