"""Scores merges of a family on the quickstart's tasks in this process, and keeps what was scored on disk.

A greedy answer is right if and only if, fed with the right answer's beginning, the model finds each next token of it
most likely, the end token included. So one pass over question and right answer decides what generating token by token
would, in the dtype of the evaluator; but sums may be taken in another order than there, which can turn a tie.
"""

import hashlib
import json
import random
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import transformers
from search import families
from search.families import Family, Flat

from family import recipe, toy, vocabulary
from mergesearch import contract

TASKS = tuple(f"toy_{task}" for task in recipe.HELD_IN)
SEARCH_SAMPLES = 300
"""Of each task, as the quickstart has it."""
IGNORED = -1
ROWS = 300
"""Questions that go through the model at once."""
EXAM_QUESTIONS = 2000
"""Further questions of each task, on which choices are compared with less noise than a user's samples leave."""
EXAM_SEED = 6
Right = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Questions:
    """Questions of all tasks as tensors: tokens with right answers, and what has to follow each token, or IGNORED."""

    tokens: torch.Tensor
    wanted: torch.Tensor
    counts: tuple[int, ...]
    """Of each task, in the order of TASKS."""
    digest: str


def read_tasks() -> list[list[toy.Item]]:
    """The questions of every task, in the order of its file."""
    files = [families.QUICKSTART / "tasks" / f"{task}.jsonl" for task in TASKS]
    return [[toy.Item(**json.loads(line)) for line in file.read_text().splitlines()] for file in files]


def split(tasks: Sequence[Sequence[toy.Item]], seed: int) -> tuple[Questions, Questions]:
    """What a search of this seed sees, and what it does not, as the product chooses them."""
    searched, unseen = [], []
    for name, items in zip(TASKS, tasks, strict=True):
        order = contract.permutation(seed, name, len(items))
        searched.append([items[index] for index in sorted(order[:SEARCH_SAMPLES])])
        unseen.append([items[index] for index in sorted(order[SEARCH_SAMPLES:])])
    return questions(searched), questions(unseen)


def exam() -> Questions:
    """New questions of the same kind: strings of the testing side, drawn as the tasks' own were."""
    rng = random.Random(EXAM_SEED)
    return questions(
        [[toy.item(task, toy.draw(rng, test=True)) for _ in range(EXAM_QUESTIONS)] for task in recipe.HELD_IN]
    )


def questions(tasks: Sequence[Sequence[toy.Item]]) -> Questions:
    """As tensors, filled up on the right: what comes later cannot change what came before."""
    items = [item for task in tasks for item in task]
    prompts = [vocabulary.encode_prompt(item.prompt) for item in items]
    answers = [vocabulary.encode_answer(item.answer) for item in items]
    width = max(len(prompt) + len(answer) for prompt, answer in zip(prompts, answers, strict=True))
    tokens = torch.full((len(items), width), vocabulary.IDS[vocabulary.PAD])
    wanted = torch.full((len(items), width), IGNORED)
    for row, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        end = len(prompt) + len(answer)
        tokens[row, :end] = torch.tensor(prompt + answer)
        wanted[row, len(prompt) - 1 : end - 1] = torch.tensor(answer)
    text = json.dumps([[item.prompt, item.answer] for item in items])
    return Questions(tokens, wanted, tuple(len(task) for task in tasks), hashlib.sha256(text.encode()).hexdigest())


class Scorer:
    """One model in memory, into which merges are copied."""

    def __init__(self, family: Family) -> None:
        torch.set_num_threads(1)
        transformers.utils.logging.disable_progress_bar()
        self._model: Any = transformers.LlamaForCausalLM.from_pretrained(
            family.folder / family.names[0], dtype=torch.bfloat16
        ).eval()
        self._layout = family.layout

    @torch.no_grad()
    def right(self, merged: Flat, asked: Questions) -> Right:
        """Which of the questions the merge answers right."""
        own, begin = self._model.state_dict(), 0
        numbers = torch.from_numpy(merged).view(torch.bfloat16)
        for name, shape in self._layout:
            size = int(np.prod(shape))
            own[name].copy_(numbers[begin : begin + size].view(shape))
            begin += size
        # In parts that stay in the processor's cache.
        parts = [asked.tokens[row : row + ROWS] for row in range(0, len(asked.tokens), ROWS)]
        found = torch.cat([self._model(input_ids=part, use_cache=False).logits.argmax(dim=-1) for part in parts])
        right = (found == asked.wanted) | (asked.wanted == IGNORED)
        return np.asarray(right.all(dim=1).numpy())


class Cache:
    """Answers on disk, by the content of checkpoints, weights and questions. Any number of processes may use it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, isolation_level=None, timeout=60)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.execute("CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, right BLOB) WITHOUT ROWID")

    def get(self, key: str, count: int) -> Right | None:
        """What is known, or None."""
        row = self._database.execute("SELECT right FROM answers WHERE key = ?", (key,)).fetchone()
        return None if row is None else np.unpackbits(np.frombuffer(row[0], np.uint8), count=count).astype(np.bool_)

    def put(self, key: str, right: Right) -> None:
        """Keep it."""
        row = (key, np.packbits(right).tobytes())
        self._database.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", row)


class FamilyWorld:
    """A family with the samples of one search seed: what a search meets."""

    def __init__(
        self,
        family: Family,
        scorer: Scorer,
        cache: Cache,
        parts: tuple[Questions, Questions],
        exam: Questions | None = None,
    ) -> None:
        self._family = family
        self._exam = exam
        self._scorer = scorer
        self._cache = cache
        self._search, self._unseen = parts
        self.tasks = TASKS
        self.evaluated = 0
        """Merges that were scored just now, not found in the cache."""

    @property
    def dimension(self) -> int:
        """Number of checkpoints."""
        return len(self._family.names)

    def search(self, weights: Sequence[float]) -> tuple[float, ...]:
        """Share of right answers in each task, on the samples of the search."""
        return self._scores(weights, self._search)

    def unseen(self, weights: Sequence[float]) -> tuple[float, ...]:
        """The same on the other samples."""
        return self._scores(weights, self._unseen)

    def examined(self, weights: Sequence[float]) -> tuple[float, ...] | None:
        """The same on the questions of the exam, which decides nothing; None where there is none."""
        return self._scores(weights, self._exam) if self._exam is not None else None

    def _scores(self, weights: Sequence[float], asked: Questions) -> tuple[float, ...]:
        read = [(digest, weight) for digest, weight in zip(self._family.digests, weights, strict=True) if weight]
        key = hashlib.sha256(json.dumps([read, asked.digest]).encode()).hexdigest()
        right = self._cache.get(key, len(asked.tokens))
        if right is None:
            right = self._scorer.right(families.merge(self._family, weights), asked)
            self._cache.put(key, right)
            self.evaluated += 1
        ends = np.cumsum(asked.counts)
        return tuple(float(part.mean()) for part in np.split(right, ends[:-1]))
