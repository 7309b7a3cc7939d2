"""A checkpoint's tokenizer, without its weights: the only module that asks transformers for one outside an engine.

It also looks at a few prompts of each task as the model would get them, because lm-eval cuts a prompt that is too long
from the left and only logs it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import transformers

from mergesearch.contract import Engine
from mergesearch.errors import InvalidRequestError
from mergesearch.reasons import Reason
from mergesearch_evaluator import checks, folders
from mergesearch_evaluator.catalog import LoadedTask
from mergesearch_evaluator.facts import TokenizerFacts
from mergesearch_evaluator.problems import clipped

PROMPTS_LOOKED_AT = 16
"""Of each leaf task, evenly spaced."""
FEWSHOT_SEED = 1234
"""lm-eval's own default: the same examples as in `lm_eval` on the command line."""


class Tokenizer:
    """The tokenizer of one folder."""

    def __init__(self, path: Path, context_length: int | None) -> None:
        try:
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(str(path), local_files_only=True)
        except Exception as error:  # transformers raise whatever a broken file led them to
            message = f"{path}: its tokenizer cannot be loaded: {type(error).__name__}: {' '.join(str(error).split())}"
            raise InvalidRequestError(clipped(message), reason=Reason.CHECKPOINT_UNREADABLE) from error
        self.facts = TokenizerFacts(
            has_chat_template=bool(getattr(self._tokenizer, "chat_template", None)), context_length=context_length
        )

    def tokens(self, text: str) -> int:
        """Number of tokens of a text, special ones included."""
        return len(self._tokenizer.encode(text))

    def chat(self, messages: Any, *, add_generation_prompt: bool = True) -> Any:
        """A conversation as the model reads it; the signature that lm-eval's tasks call."""
        return self._tokenizer.apply_chat_template(
            messages,
            tokenize=False,
            add_generation_prompt=add_generation_prompt,
            continue_final_message=not add_generation_prompt,
        )


def open_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer of a checkpoint's folder; its weights may be absent. Raises InvalidRequestError."""
    if not path.is_dir():
        raise InvalidRequestError(f"{path}: there is no such folder", reason=Reason.CHECKPOINT_MISSING)
    return Tokenizer(path, folders.context_length(folders.read_config(path)))


def cut_prompts(task: LoadedTask, tokenizer: Tokenizer, engine: Engine, *, chat_template: bool) -> Iterator[str]:
    """A sentence for each leaf of which some prompts do not fit beside the answer. Raises what the task's code does."""
    context = checks.context_length(engine, tokenizer.facts)
    for leaf in task.facts.leaves if context else ():
        room = (context or 0) - checks.answer_tokens(engine, leaf)
        prompts = _prompts(task.leaves[leaf.name], leaf.total, tokenizer if chat_template else None)
        long = sum(tokenizer.tokens(prompt) > room for prompt in prompts)
        if long:
            yield (
                f"{leaf.name}: {long} of {len(prompts)} prompts looked at are longer than the {room} tokens that the "
                f"context of {context} leaves them; they will be cut from the left"
            )


def _prompts(task: Any, total: int, tokenizer: Tokenizer | None) -> list[str]:
    step = max(1, total // PROMPTS_LOOKED_AT)
    task.set_fewshot_seed(FEWSHOT_SEED)
    task.build_all_requests(
        samples=list(range(0, total, step))[:PROMPTS_LOOKED_AT],
        apply_chat_template=tokenizer is not None,
        fewshot_as_multiturn=tokenizer is not None,
        chat_template=tokenizer.chat if tokenizer is not None else None,
    )
    return [str(instance.args[0]) for instance in task.instances]
