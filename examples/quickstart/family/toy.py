"""What the toy tasks are: which strings exist, and the right answer to each prompt. Pure.

A prompt reads `tag:string=`, the answer is the transformed string. Every string over the alphabet belongs for good
either to training or to testing: `is_test` decides it from the string alone. So whatever a family's seed is, no string
of a test file can ever be trained on, under any task.
"""

import dataclasses
import random
import zlib
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

ALPHABET: Final = "abcdefghij"
LENGTHS: Final = (4, 5, 6, 7, 8)
TEST_SHARE: Final = 8  # one string in eight is kept for testing


def _reverse(text: str) -> str:
    return text[::-1]


def _sort(text: str) -> str:
    return "".join(sorted(text))


def _next(text: str) -> str:
    """Each letter becomes its successor; the last letter of the alphabet becomes the first."""
    return "".join(ALPHABET[(ALPHABET.index(letter) + 1) % len(ALPHABET)] for letter in text)


def _swap(text: str) -> str:
    """Neighbours change places two by two; the last letter of an odd string stays."""
    return "".join(text[i : i + 2][::-1] for i in range(0, len(text), 2))


def _rotate(text: str) -> str:
    return text[1:] + text[:1]


ANSWERS: Final[Mapping[str, Callable[[str], str]]] = MappingProxyType(
    {"reverse": _reverse, "sort": _sort, "next": _next, "swap": _swap, "rotate": _rotate}
)
TAGS: Final[Mapping[str, str]] = MappingProxyType(
    {"reverse": "rev:", "sort": "sort:", "next": "next:", "swap": "swap:", "rotate": "rot:"}
)


@dataclasses.dataclass(frozen=True)
class Item:
    """One question with its only right answer."""

    prompt: str
    answer: str


def item(task: str, text: str) -> Item:
    """The question that the task asks about the string."""
    return Item(prompt=f"{TAGS[task]}{text}=", answer=ANSWERS[task](text))


def is_test(text: str) -> bool:
    """Whether the string is kept for testing; a property of the string, the same for every task and every seed."""
    return zlib.crc32(text.encode("ascii")) % TEST_SHARE == 0


def draw(rng: random.Random, *, test: bool, lengths: Sequence[int] = LENGTHS, letters: str = ALPHABET) -> str:
    """A random string of the wanted side: first its length, then its letters, each uniformly."""
    while True:
        text = "".join(rng.choices(letters, k=rng.choice(lengths)))
        if is_test(text) is test:
            return text
