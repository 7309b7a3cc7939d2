"""The toy tasks: right answers, and test questions that no training run can ever see."""

import dataclasses
import json
import random
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies

import make_tasks
from family import recipe, toy, vocabulary

FILES = sorted((Path(make_tasks.__file__).parent / "tasks").glob("*.jsonl"))
HELD_IN = ["toy_next", "toy_reverse", "toy_sort", "toy_swap"]
HELD_OUT = ["toy_few_letters", "toy_rotate"]


def _items(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize(
    ("task", "text", "answer"),
    [
        pytest.param("reverse", "diiah", "haiid", id="reverse"),
        pytest.param("sort", "diiah", "adhii", id="sort keeps repeated letters"),
        pytest.param("next", "diiaj", "ejjba", id="next is cyclic"),
        pytest.param("swap", "diah", "idha", id="swap of an even string"),
        pytest.param("swap", "diiah", "idaih", id="swap leaves the last letter of an odd string"),
        pytest.param("rotate", "diiah", "iiahd", id="rotate moves the first letter to the end"),
    ],
)
def test_a_task_has_one_right_answer(task: str, text: str, answer: str) -> None:
    assert toy.item(task, text) == toy.Item(f"{toy.TAGS[task]}{text}=", answer)


@hypothesis.given(strategies.integers(0, 2**32), strategies.sampled_from(toy.LENGTHS))
def test_training_never_draws_a_string_that_is_kept_for_testing(seed: int, length: int) -> None:
    rng = random.Random(seed)
    assert not toy.is_test(toy.draw(rng, test=False, lengths=[length]))
    assert toy.is_test(toy.draw(rng, test=True, lengths=[length]))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_test_question_holds_a_string_kept_for_testing_and_its_right_answer(path: Path) -> None:
    tasks = {tag: task for task, tag in toy.TAGS.items()}
    for row in _items(path):
        tag, colon, rest = row["prompt"].partition(":")
        text = rest.removesuffix("=")
        assert toy.is_test(text), f"{row} could be trained on"
        assert dataclasses.asdict(toy.item(tasks[tag + colon], text)) == row


def test_no_training_batch_of_any_run_holds_a_test_question() -> None:
    training = pytest.importorskip("family.training")
    asked = {row["prompt"] for path in FILES for row in _items(path)}
    by_id = dict(enumerate(vocabulary.TOKENS))
    seen = set()
    for run in (recipe.default().base, *recipe.default().tunes):
        tokens, _ = training.batch(random.Random(recipe.derived_seed(0, run.name, "batches")), run.mixture, 1500)
        for row in tokens.tolist():
            seen.add("".join(by_id[token] for token in row).partition("=")[0] + "=")
    assert len(seen) > 9000
    assert not seen & asked


def test_the_committed_questions_are_what_the_script_makes() -> None:
    made = make_tasks.contents()
    assert sorted(made) == [path.name for path in FILES]
    for path in FILES:
        assert path.read_text() == made[path.name], f"run make_tasks.py: {path.name} is out of date"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_there_are_enough_different_questions(path: Path) -> None:
    prompts = [row["prompt"] for row in _items(path)]
    assert len(set(prompts)) == len(prompts)
    assert len(prompts) >= (600 if path.stem in HELD_IN else 300)


def test_every_question_file_has_its_task() -> None:
    assert [path.stem for path in FILES] == sorted(HELD_IN + HELD_OUT)
    for path in FILES:
        lines = path.with_suffix(".yaml").read_text().splitlines()
        assert lines == ["include: _toy_yaml", f"task: {path.stem}", f"dataset_kwargs: {{file: {path.name}}}"]
