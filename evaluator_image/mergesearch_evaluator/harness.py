"""Runs lm-eval on a built model: the only module that calls its evaluation.

The samples are named one by one, nothing is cached between candidates, and every seed is set anew, so the same weights
give the same answers whatever was scored before in this process.
"""

import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import lm_eval.evaluator
import numpy as np

from mergesearch.contract import Task
from mergesearch_evaluator.catalog import LoadedTask
from mergesearch_evaluator.prompts import FEWSHOT_SEED
from mergesearch_evaluator.scoring import RawSample


@dataclass(frozen=True)
class Outcome:
    """What lm-eval found for one task."""

    samples: tuple[RawSample, ...]
    reported: float | None
    """lm-eval's score of the task itself; None for a tag, and for a group without this metric."""


class TokenCounter:
    """Counts tokens as a model's tokenizer does; `prompts` remembers what was counted for other candidates."""

    def __init__(self, model: Any, prompts: dict[str, int]) -> None:
        self._model = model
        self._prompts = prompts

    def prompt(self, text: str) -> int:
        """Tokens of a prompt, with the special tokens that the model puts around it."""
        if text not in self._prompts:
            self._prompts[text] = len(self._model.tok_encode(text)) if text else 0
        return self._prompts[text]

    def generated(self, text: str) -> int:
        """Tokens of an answer as far as it was kept: what follows a stop sequence is not counted."""
        return len(self._model.tok_encode(text, add_special_tokens=False)) if text else 0

    def of(self, sample: Mapping[str, Any]) -> tuple[int, int]:
        """Tokens that the model has read and written for one of lm-eval's entries.

        `arguments` are (prompt, settings), or (context, continuation), which the model reads as one text; `resps` are
        the answers to each, several where a task asks for them.
        """
        read = written = 0
        for request, answers in zip(sample["arguments"], sample["resps"], strict=True):
            text = "".join(part for part in request if isinstance(part, str))
            read += len(answers) * self.prompt(text)
            written += sum(self.generated(answer) for answer in answers if isinstance(answer, str))
        return read, written


def run(
    model: Any, counter: TokenCounter, tasks: Sequence[tuple[Task, LoadedTask]], *, allow_code: bool, seed: int
) -> list[Outcome]:
    """Score one model on all tasks, those with and those without a chat template in one go each; in order of `tasks`.

    Raises whatever the model, the tasks or lm-eval raise.
    """
    outcomes: dict[str, Outcome] = {}
    for chat in sorted({asked.chat_template for asked, _ in tasks}):
        part = [(asked, loaded) for asked, loaded in tasks if asked.chat_template is chat]
        _seed(part, seed)
        results = lm_eval.evaluator.evaluate(
            lm=model,
            task_dict={
                # A leaf without samples must not be there: lm-eval would score all its documents.
                "tasks": _merged(_selected(asked, loaded) for asked, loaded in part),
                "groups": _merged(loaded.groups for _, loaded in part),
            },
            samples={selection.leaf: list(selection.indices()) for asked, _ in part for selection in asked.samples},
            # Standard errors follow from the samples; a bootstrap for them would fork this process.
            bootstrap_iters=0,
            log_samples=True,
            apply_chat_template=chat,
            fewshot_as_multiturn=chat,
            confirm_run_unsafe_code=allow_code,
        )
        for asked, loaded in part:
            outcomes[asked.name] = _outcome(asked, loaded, results, counter)
    return [outcomes[asked.name] for asked, _ in tasks]


def _selected(asked: Task, loaded: LoadedTask) -> dict[str, Any]:
    return {selection.leaf: loaded.leaves[selection.leaf] for selection in asked.samples}


def _merged(parts: Any) -> dict[str, Any]:
    return {name: value for part in parts for name, value in part.items()}


def _seed(tasks: Sequence[tuple[Task, LoadedTask]], seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed % 2**32)
    if (languages := sys.modules.get("langdetect")) is not None:
        # A task that asks for the language of an answer has imported it; unseeded, it guesses anew each time.
        languages.DetectorFactory.seed = seed
    for _, loaded in tasks:
        for leaf in loaded.leaves.values():
            leaf.set_fewshot_seed(seed=FEWSHOT_SEED)


def _outcome(asked: Task, loaded: LoadedTask, results: Any, counter: TokenCounter) -> Outcome:
    raw = [_raw(name, sample, counter) for name in _selected(asked, loaded) for sample in results["samples"][name]]
    own = results["results"].get(asked.name, {})
    return Outcome(samples=tuple(raw), reported=own.get(f"{asked.metric},{asked.filter}"))


def _raw(leaf: str, sample: Mapping[str, Any], counter: TokenCounter) -> RawSample:
    """lm-eval's entry without the document."""
    prompt_tokens, generated_tokens = counter.of(sample)
    first = sample["resps"][0][0]
    text = first if isinstance(first, str) else None
    return RawSample(
        leaf=leaf,
        index=int(sample["doc_id"]),
        filter=str(sample["filter"]),
        metrics={name: sample[name] for name in sample["metrics"]},
        prompt_tokens=prompt_tokens,
        generated_tokens=generated_tokens,
        text=text,
    )
