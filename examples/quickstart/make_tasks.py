"""Writes the questions of the toy tasks, `tasks/*.jsonl`; they are committed and the same for every family.

python examples/quickstart/make_tasks.py [--out DIR]
"""

import argparse
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from family import recipe, toy

HERE: Final = Path(__file__).resolve().parent
HELD_IN_ITEMS: Final = 640  # 300 to search with, 340 that the search never sees
HELD_OUT_ITEMS: Final = 320
SEED: Final = 20  # of the questions; a family's --seed never reaches them


def held_in(task: str) -> Iterator[toy.Item]:
    """Different strings of the training lengths, none of which is ever trained on."""
    rng = random.Random(recipe.derived_seed(SEED, task))
    return _different(rng, [task], toy.LENGTHS, toy.ALPHABET, HELD_IN_ITEMS)


def rotate() -> Iterator[toy.Item]:
    """A fifth task, which the base has learnt and no fine-tune is for."""
    rng = random.Random(recipe.derived_seed(SEED, "rotate"))
    return _different(rng, ["rotate"], toy.LENGTHS, toy.ALPHABET, HELD_OUT_ITEMS)


def few_letters() -> Iterator[toy.Item]:
    """The four tasks on strings that hold three different letters at most: another distribution than the training's."""
    rng = random.Random(recipe.derived_seed(SEED, "few letters"))
    return _different(rng, recipe.HELD_IN, (6, 7, 8), "bfj", HELD_OUT_ITEMS)


def _different(
    rng: random.Random, tasks: Sequence[str], lengths: Sequence[int], letters: str, count: int
) -> Iterator[toy.Item]:
    seen: set[str] = set()
    while len(seen) < count:
        text = toy.draw(rng, test=True, lengths=lengths, letters=letters)
        if text not in seen:
            yield toy.item(tasks[len(seen) % len(tasks)], text)
            seen.add(text)


def contents() -> Mapping[str, str]:
    """The name and the text of every file."""
    questions = {f"toy_{task}": held_in(task) for task in recipe.HELD_IN}
    questions |= {"toy_rotate": rotate(), "toy_few_letters": few_letters()}
    return {
        f"{name}.jsonl": "".join(json.dumps({"prompt": item.prompt, "answer": item.answer}) + "\n" for item in items)
        for name, items in questions.items()
    }


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description="Write the questions of the toy tasks.")
    parser.add_argument("--out", type=Path, default=HERE / "tasks", help="folder to write into (default: tasks)")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for name, text in contents().items():
        (out / name).write_text(text)


if __name__ == "__main__":
    main()
