"""Tokens that a model has read and written, counted on the requests and answers themselves."""

from typing import Any

import pytest

from mergesearch_evaluator.harness import TokenCounter


class Words:
    """A tokenizer whose tokens are words, with one more before each text, as many models have it."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def tok_encode(self, text: str, *, add_special_tokens: bool = True) -> list[str]:
        self.asked.append(text)
        return [*(["<s>"] if add_special_tokens else []), *text.split()]


SAMPLES: dict[str, tuple[dict[str, Any], tuple[int, int]]] = {
    "an answer": ({"arguments": [("two words", {"until": ["\n"]})], "resps": [["a b c"]]}, (3, 3)),
    "an empty answer": ({"arguments": [("two words", {})], "resps": [[""]]}, (3, 0)),
    "several answers to one prompt": ({"arguments": [("two words", {})], "resps": [["a b", "c"]]}, (6, 3)),
    "choices, each read as one text": (
        {
            "arguments": [("the context", " one"), ("the context", " or two")],
            "resps": [[(-1.0, True)], [(-2.0, False)]],
        },
        (4 + 5, 0),
    ),
    "a text whose likelihood is asked for": ({"arguments": [("all of it",)], "resps": [[-3.0]]}, (4, 0)),
}


@pytest.mark.parametrize(("sample", "tokens"), SAMPLES.values(), ids=SAMPLES.keys())
def test_tokens_are_those_of_the_requests_and_the_answers(sample: dict[str, Any], tokens: tuple[int, int]) -> None:
    assert TokenCounter(Words(), {}).of(sample) == tokens


def test_a_prompt_is_counted_once_for_all_candidates() -> None:
    words, known = Words(), dict[str, int]()
    sample = {"arguments": [("the same prompt", {})], "resps": [["yes"]]}
    assert [TokenCounter(words, known).of(sample) for _ in range(3)] == [(4, 1)] * 3
    assert words.asked.count("the same prompt") == 1
