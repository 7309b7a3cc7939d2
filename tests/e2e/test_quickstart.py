"""Whole searches with the real merger, the real lm-eval and real checkpoints."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from huggingface_hub import ModelCard, ModelCardData

from mergesearch_evaluator import samples
from support.history import history, read
from support.quickstart import Quickstart

KILLS = 20

pytestmark = pytest.mark.slow


def test_the_winner_is_a_plain_hugging_face_folder_that_answers(undisturbed: Quickstart) -> None:
    transformers = pytest.importorskip("transformers")
    status = read(undisturbed.state).status
    assert status is not None
    assert status.confirmed is not None
    folder = undisturbed.folder / "workspace" / status.confirmed.path
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    prompt = tokenizer("sort:cabd=", return_tensors="pt", add_special_tokens=False)
    answer = model.generate(**prompt, max_new_tokens=6, do_sample=False)
    assert set(tokenizer.decode(answer[0, prompt["input_ids"].shape[1] :]).replace(" ", "")[:4]) <= set("abcd")
    lineage = json.loads((folder / "merge.json").read_text())
    assert sum(lineage["weights"].values()) == pytest.approx(1.0)


def test_the_exported_folder_answers_like_the_winner_and_its_card_holds_the_confirmed_scores(
    undisturbed: Quickstart, tmp_path: Path
) -> None:
    transformers = pytest.importorskip("transformers")
    resource, out = read(undisturbed.state), tmp_path / "published"
    program = [sys.executable, "-P", "-m", "mergesearch_cli.app", "export", str(undisturbed.state), "--with-weights"]
    done = subprocess.run([*program, "--output", str(out)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert resource.status is not None
    assert resource.status.confirmed is not None
    winner = resource.status.confirmed
    prompts, answers = ["sort:cabd=", "reverse:abc=", "next:ad="], []
    for folder in (undisturbed.folder / "workspace" / winner.path, out):
        model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype="auto")
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        given = [tokenizer(prompt, return_tensors="pt", add_special_tokens=False) for prompt in prompts]
        answers.append([model.generate(**one, max_new_tokens=6, do_sample=False).tolist() for one in given])
    assert answers[0] == answers[1]
    card = ModelCard.load(out / "README.md")
    assert isinstance(card.data, ModelCardData)
    confirmed = next(record for record in resource.status.confirmations if record.id == winner.id)
    assert tuple(result.metric_value for result in card.data.eval_results or ()) == confirmed.scores
    assert (
        json.loads((out / "merge.json").read_text())["weights"]
        == json.loads((out / "weights.json").read_text())["weights"]
    )


def test_every_score_can_be_read_sample_by_sample(undisturbed: Quickstart) -> None:
    resource = read(undisturbed.state)
    assert resource.status is not None
    for record in resource.status.candidates:
        folder = undisturbed.folder / "workspace" / resource.metadata.uid / "evaluations" / "search" / record.id
        for task, score in zip(resource.spec.objective.tasks, record.scores, strict=True):
            lines = samples.read(folder / f"{task.name}.jsonl.zst")
            assert len(lines) == 60
            assert sum(line.value for line in lines) / 60 == pytest.approx(score)


def test_search_and_confirmation_share_no_sample(undisturbed: Quickstart) -> None:
    resource = read(undisturbed.state)
    assert resource.status is not None
    assert resource.status.confirmed is not None
    evaluations = undisturbed.folder / "workspace" / resource.metadata.uid / "evaluations"
    winner = resource.status.confirmed.id
    for task in resource.spec.objective.tasks:
        seen, unseen = (
            {line.index for line in samples.read(evaluations / split / winner / f"{task.name}.jsonl.zst")}
            for split in ("search", "unseen")
        )
        assert seen
        assert unseen
        assert not seen & unseen


def test_the_same_checkpoint_scored_twice_gives_the_noise_floor(undisturbed: Quickstart) -> None:
    status = read(undisturbed.state).status
    assert status is not None
    assert status.noise == 0.0, "greedy decoding on one CPU is deterministic"


def test_a_run_killed_at_random_moments_with_all_its_children_equals_an_undisturbed_one(
    family: Path, undisturbed: Quickstart, tmp_path: Path
) -> None:
    search = Quickstart(family, tmp_path)
    stream = random.Random(3)
    for kill in range(KILLS):
        process = search.start()
        # Half of the moments fall into the start and its imports, half into what follows.
        if kill % 2:
            time.sleep(stream.uniform(0.5, 8))
        else:
            _wait_for_writes(search, process, stream.randrange(1, 4))
            time.sleep(stream.uniform(0, 0.2))
        assert process.poll() is None, process.communicate()[0]
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    search.run()
    assert history(read(search.state)) == history(read(undisturbed.state))


def _wait_for_writes(search: Quickstart, process: "subprocess.Popen[str]", count: int) -> None:
    document = search.state / "search.json"
    seen, until = None, time.monotonic() + 900
    while count >= 0:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until, "no write for fifteen minutes"
        stamp = document.stat().st_ino if document.exists() else None
        if stamp != seen:
            seen, count = stamp, count - 1
        time.sleep(0.01)
