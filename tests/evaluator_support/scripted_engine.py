"""The real evaluator with an engine whose answers are known: a program, started as `mergesearch-evaluator` is.

The file that $SCRIPTED_ANSWERS names holds the answers: to a question with the marker `[q7]` the text beside `q7`.
Where likelihoods are asked for, that text is by far the likeliest.
"""

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from lm_eval.api.model import LM

from mergesearch import worker
from mergesearch.contract import Engine
from mergesearch_evaluator import environment, main
from mergesearch_evaluator.folders import ModelFolder

MARKER = re.compile(r"\[(q[0-9]+)\]")


class ScriptedModel(LM):  # type: ignore[misc] # lm-eval has no types
    """Answers the last marked question of a prompt: those before it are examples."""

    tokenizer_name = "scripted"

    def __init__(self) -> None:
        super().__init__()
        self._answers: dict[str, str] = json.loads(Path(os.environ["SCRIPTED_ANSWERS"]).read_text(encoding="utf-8"))

    def _answer(self, prompt: str) -> str:
        return self._answers[MARKER.findall(prompt)[-1]]

    def generate_until(self, requests: list[Any]) -> list[str]:
        return [self._answer(request.args[0]) for request in requests]

    def loglikelihood(self, requests: list[Any]) -> list[tuple[float, bool]]:
        chosen = [choice.strip() == self._answer(prompt) for prompt, choice in (request.args for request in requests)]
        return [(-1.0, True) if one else (-1000.0, False) for one in chosen]

    def loglikelihood_rolling(self, requests: list[Any]) -> list[float]:
        raise NotImplementedError

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        return "".join(f"<{turn['role']}>{turn['content']}" for turn in chat_history)

    def chat_template(self, chat_template: bool | str = False) -> str:
        return "scripted"

    def tok_encode(self, text: str, **_: Any) -> list[str]:
        return text.split()


class ScriptedEngine:
    """Every model gives the same answers."""

    def __init__(self, engine: Engine, folder: ModelFolder) -> None:
        self.model = ScriptedModel()

    def swap(self, folder: ModelFolder) -> None: ...

    def close(self) -> None: ...


if __name__ == "__main__":
    environment.prepare()
    sys.exit(worker.run(main.PROGRAM, main.Evaluator(ScriptedEngine)))
