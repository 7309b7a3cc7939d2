"""Training for real, in small: the same bits every time, and folders that transformers loads and generates from."""

import dataclasses
import json
import math
import random
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from family import jobs, recipe, toy, training, vocabulary, worker

SHAPE = recipe.Shape(hidden=64, intermediate=96, layers=1, heads=2)
FAMILY = recipe.Recipe(
    shape=SHAPE,
    base=recipe.Run("base", (1.0,) * len(recipe.TASKS), steps=6, learning_rate=3e-3, warmup=2),
    tunes=(recipe.Run("sort", (0.1, 1.0, 0.1, 0.1, 0.1), steps=4, learning_rate=1e-3, warmup=2),),
)


def _train(out: Path, seed: int) -> Path:
    out.mkdir()
    for run in (FAMILY.base, *FAMILY.tunes):
        worker.train(jobs.Job(FAMILY, run, seed, out))
    return out


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Any:
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(strict)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _train(tmp_path_factory.mktemp("family") / "seed0", seed=0)


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_recipe_and_seed_yield_the_same_files_to_the_last_bit(out: Path, tmp_path: Path) -> None:
    again = _contents(_train(tmp_path / "again", seed=0))
    assert again == _contents(out)
    assert {"base/model.safetensors", "sort/model.safetensors"} <= again.keys()


def test_another_seed_yields_other_weights_for_every_checkpoint(out: Path, tmp_path: Path) -> None:
    other = _train(tmp_path / "other", seed=1)
    for name in ("base", "sort"):
        assert (other / name / "model.safetensors").read_bytes() != (out / name / "model.safetensors").read_bytes()


def test_a_fine_tune_differs_from_the_base_it_starts_from(out: Path) -> None:
    assert (out / "sort" / "model.safetensors").read_bytes() != (out / "base" / "model.safetensors").read_bytes()


@pytest.mark.parametrize("name", ["base", "sort"])
def test_transformers_loads_the_folder_with_nothing_missing(out: Path, name: str) -> None:
    model, info = transformers.AutoModelForCausalLM.from_pretrained(out / name, output_loading_info=True)
    assert {key: list(value) for key, value in info.items() if value} == {}
    assert model.dtype == torch.bfloat16
    assert model.config.tie_word_embeddings
    assert model.generation_config.eos_token_id == vocabulary.IDS[vocabulary.EOS]


def test_the_saved_tokenizer_encodes_what_training_saw_and_decodes_without_spaces(out: Path) -> None:
    saved = transformers.AutoTokenizer.from_pretrained(out / "sort")
    for task in toy.TAGS:
        question = toy.item(task, "diiahj")
        assert saved(question.prompt)["input_ids"] == vocabulary.encode_prompt(question.prompt)
        answer = vocabulary.encode_answer(question.answer)
        assert saved.decode(answer, skip_special_tokens=True) == question.answer
        assert saved.decode(answer) == question.answer + vocabulary.EOS
    assert saved.eos_token_id == answer[-1]
    assert saved.pad_token_id == vocabulary.IDS[vocabulary.PAD]
    assert saved("?")["input_ids"] == [vocabulary.IDS[vocabulary.UNKNOWN]]


def test_a_checkpoint_generates(out: Path) -> None:
    saved = transformers.AutoTokenizer.from_pretrained(out / "sort")
    model = transformers.AutoModelForCausalLM.from_pretrained(out / "sort")
    prompts = saved(["sort:badc=", "rev:abcdefgh="], padding=True, return_tensors="pt", return_token_type_ids=False)
    answers = model.generate(**prompts, max_new_tokens=3)
    assert answers.shape[0] == 2
    assert prompts["input_ids"].shape[1] < answers.shape[1] <= prompts["input_ids"].shape[1] + 3


def test_files_can_be_read_by_everybody(out: Path) -> None:
    assert {path.stat().st_mode & 0o777 for path in (out / "sort").iterdir()} == {0o644}


def test_the_record_says_what_the_checkpoint_is(out: Path) -> None:
    record = json.loads((out / "sort" / "training.json").read_text())
    assert record["digest"] == recipe.digest(FAMILY, FAMILY.tunes[0], 0)
    assert record["mixture"] == {"reverse": 0.1, "sort": 1.0, "next": 0.1, "swap": 0.1, "rotate": 0.1}
    assert math.isfinite(record["loss"])


def _ignore(step: int, loss: float) -> None:
    """Nobody watches."""


def test_the_loss_falls_on_an_easy_mixture() -> None:
    run = dataclasses.replace(FAMILY.base, mixture=(0.0, 0.0, 1.0, 0.0, 0.0), steps=60)
    training.settle()
    _, before = training.train(training.new_model(SHAPE, 0), dataclasses.replace(run, steps=1), 0, _ignore)
    steps, after = training.train(training.new_model(SHAPE, 0), run, 0, _ignore)
    assert steps == 60
    assert after < 0.8 * before


def test_a_run_with_a_wanted_loss_ends_when_it_gets_there() -> None:
    run = dataclasses.replace(FAMILY.base, mixture=(0.0, 0.0, 1.0, 0.0, 0.0), steps=60, stop_loss=2.6)
    losses: list[float] = []
    training.settle()
    steps, loss = training.train(training.new_model(SHAPE, 0), run, 0, lambda _, loss: losses.append(loss))
    assert 1 < steps < 60
    assert len(losses) == steps
    assert loss == losses[-1] < 2.6 <= losses[-2]


def test_the_loss_counts_the_answer_and_its_end_only() -> None:
    tokens, labels = training.batch(random.Random(0), (0.0, 1.0, 0.0, 0.0, 0.0), 64)
    for row, label in zip(tokens.tolist(), labels.tolist(), strict=True):
        text = "".join(vocabulary.TOKENS[token] for token in row).partition("=")[0].removeprefix("sort:")
        counted = [token for token in label if token != training.IGNORED]
        assert counted == vocabulary.encode_answer("".join(sorted(text)))
        assert row[len(text) + 2 : len(text) + 2 + len(counted)] == counted
