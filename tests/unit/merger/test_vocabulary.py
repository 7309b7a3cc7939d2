"""Vocabularies of tokenizers: read from every kind of tokenizer.json, compared token by token."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergesearch.reasons import Reason
from mergesearch_merger import findings, vocabulary

KINDS: dict[str, tuple[dict[str, Any], dict[str, int]]] = {
    "words": ({"model": {"vocab": {"a": 0, "b": 1}}}, {"a": 0, "b": 1}),
    "unigram": ({"model": {"vocab": [["<unk>", 0.0], ["a", -1.5]]}}, {"<unk>": 0, "a": 1}),
    "added tokens": (
        {"model": {"vocab": {"a": 0}}, "added_tokens": [{"id": 5, "content": "<s>"}]},
        {"a": 0, "<s>": 5},
    ),
    "added tokens of null": ({"model": {"vocab": {"a": 0}}, "added_tokens": None}, {"a": 0}),
}


@pytest.mark.parametrize(("document", "expected"), KINDS.values(), ids=KINDS)
def test_every_kind_of_tokenizer_is_read(document: dict[str, Any], expected: dict[str, int]) -> None:
    assert vocabulary.of_tokenizer(document) == expected


NOT_TOKENIZERS: dict[str, dict[str, Any]] = {
    "no model": {},
    "no vocabulary": {"model": {"vocab": 3}},
    "tokens without numbers": {"model": {"vocab": {"a": None}}},
    "an added token without content": {"model": {"vocab": {}}, "added_tokens": [{"id": 1}]},
    "an added token that is no object": {"model": {"vocab": {}}, "added_tokens": [3]},
    "entries that are no pairs": {"model": {"vocab": [3]}},
    "empty entries": {"model": {"vocab": [[]]}},
}


@pytest.mark.parametrize("document", NOT_TOKENIZERS.values(), ids=NOT_TOKENIZERS)
def test_what_is_no_tokenizer_is_refused_by_the_one_error(document: dict[str, Any]) -> None:
    with pytest.raises(vocabulary.VocabularyError):
        vocabulary.of_tokenizer(document)


@given(st.dictionaries(st.text(max_size=3), st.integers(0, 9)), st.dictionaries(st.text(max_size=3), st.integers(0, 9)))
def test_vocabularies_agree_exactly_if_no_token_and_no_number_is_used_in_two_ways(
    one: dict[str, int], other: dict[str, int]
) -> None:
    one, other = ({t: n for n, t in {n: t for t, n in v.items()}.items()} for v in (one, other))
    moved = any(one[token] != other[token] for token in one.keys() & other.keys())
    names = {number: token for token, number in one.items()}
    renamed = any(names.get(number, token) != token for token, number in other.items())

    found = list(vocabulary.compare("one", one, "other", other))

    assert bool(findings.problems(found)) is (moved or renamed)
    assert bool(found) is (one != other)
    assert {finding.reason for finding in found} <= {None, Reason.TOKENIZER_MISMATCH}


def test_an_empty_vocabulary_is_refused() -> None:
    (finding,) = vocabulary.check_size("tokenizer.json", {}, 4)

    assert finding.reason == Reason.TOKENIZER_MISMATCH
