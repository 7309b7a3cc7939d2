"""Trains one run of the recipe, on one thread, so that a repeated run yields the same bits.

The only module of the family that imports torch at its top; the worker processes import it, the parent never does.
"""

import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch
import transformers

from family import recipe, toy, vocabulary

IGNORED: Final = -100  # the label that the loss leaves out
# A tag, the longest string, "=", the longest answer, the end token.
WIDTH: Final = 1 + max(toy.LENGTHS) + 1 + max(toy.LENGTHS) + 1

MEMORY: Final = 0.95  # of the running mean of the loss

Report = Callable[[int, float], None]
"""Called after every step with the number of finished steps and the running mean of the loss."""


def settle() -> None:
    """One thread and deterministic kernels: what makes a run repeatable, and two processes faster than two threads."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(mode=True)
    transformers.utils.logging.disable_progress_bar()


def new_model(shape: recipe.Shape, seed: int) -> Any:
    """A model with fresh fp32 weights that depend on the seed alone."""
    config = transformers.LlamaConfig(
        vocab_size=len(vocabulary.TOKENS),
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=shape.positions,
        rope_theta=shape.rope_theta,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=vocabulary.IDS[vocabulary.EOS],
        pad_token_id=vocabulary.IDS[vocabulary.PAD],
    )
    torch.manual_seed(seed)
    return transformers.LlamaForCausalLM(config)


def load_model(folder: Path) -> Any:
    """The base as it was written, in fp32: fine-tunes start from exactly what a user can download."""
    return transformers.LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)


def batch(rng: random.Random, mixture: tuple[float, ...], size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and labels, both (size, WIDTH); labels are set where the answer stands and IGNORED elsewhere."""
    rows, labels = [], []
    for task in rng.choices(recipe.TASKS, weights=mixture, k=size):
        question = toy.item(task, toy.draw(rng, test=False))
        prompt, answer = vocabulary.encode_prompt(question.prompt), vocabulary.encode_answer(question.answer)
        filler = WIDTH - len(prompt) - len(answer)
        rows.append(prompt + answer + [vocabulary.IDS[vocabulary.PAD]] * filler)
        labels.append([IGNORED] * len(prompt) + answer + [IGNORED] * filler)
    return torch.tensor(rows), torch.tensor(labels)


def train(model: Any, run: recipe.Run, seed: int, report: Report) -> tuple[int, float]:
    """Train the model in place; return the steps that it took and the running mean of the loss.

    Padding stands on the right, so causality alone masks it.
    """
    rng = random.Random(recipe.derived_seed(seed, run.name, "batches"))
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=run.learning_rate, betas=run.betas, weight_decay=run.weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / run.warmup))
    model.train()
    step, mean = 0, math.log(len(vocabulary.TOKENS))  # about the loss of a model that knows nothing
    while step < run.steps and (run.stop_loss is None or mean >= run.stop_loss):
        tokens, labels = batch(rng, run.mixture, run.batch)
        loss = model(input_ids=tokens, labels=labels, use_cache=False).loss
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), run.clip)
        optimizer.step()
        schedule.step()
        step, mean = step + 1, MEMORY * mean + (1 - MEMORY) * float(loss.detach())
        report(step, mean)
    return step, mean


def save(model: Any, folder: Path, shape: recipe.Shape) -> None:
    """Write bf16 weights, config.json, generation_config.json and the tokenizer's files into the folder."""
    model.generation_config = transformers.GenerationConfig(
        do_sample=False,
        eos_token_id=vocabulary.IDS[vocabulary.EOS],
        pad_token_id=vocabulary.IDS[vocabulary.PAD],
    )
    model.to(torch.bfloat16).save_pretrained(folder)
    vocabulary.write(folder, shape.positions)
