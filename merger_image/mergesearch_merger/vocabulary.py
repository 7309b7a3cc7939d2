"""Whether two tokenizers number the same tokens in the same way. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mergesearch.reasons import Reason
from mergesearch_merger.findings import Finding, counted, names

Vocabulary = Mapping[str, int]


class VocabularyError(ValueError):
    """The document is not a tokenizer."""


def of_tokenizer(document: Mapping[str, Any]) -> Vocabulary:
    """All tokens of a tokenizer.json with their numbers, added ones included. Raises VocabularyError."""
    model = document.get("model")
    tokens = model.get("vocab") if isinstance(model, Mapping) else None
    try:
        if isinstance(tokens, Mapping):
            found = {str(token): int(number) for token, number in tokens.items()}
        elif isinstance(tokens, list):
            found = {str(entry[0]): number for number, entry in enumerate(tokens)}
        else:
            raise VocabularyError("model.vocab is neither an object nor a list")
        for added in document.get("added_tokens") or ():
            found[str(added["content"])] = int(added["id"])
    except VocabularyError:
        raise
    except (TypeError, KeyError, IndexError, AttributeError, ValueError, OverflowError) as error:
        raise VocabularyError(f"not a tokenizer: {error!r}") from error
    return found


def compare(reference_label: str, reference: Vocabulary, label: str, other: Vocabulary) -> Iterator[Finding]:
    """Differences of `other` against `reference`: the same token or number used differently refuses, tokens that only
    one of them has are a warning.
    """
    if reference == other:
        return
    moved = sorted(token for token, number in other.items() if reference.get(token, number) != number)
    taken = {number: token for token, number in reference.items()}
    renamed = sorted(
        token for token, number in other.items() if token not in reference and taken.get(number, token) != token
    )
    if moved or renamed:
        yield Finding(
            f"{label}: {counted(len(moved) + len(renamed), 'token')} differ from {reference_label}: "
            + "; ".join(_examples(reference, other, taken, moved, renamed)),
            Reason.TOKENIZER_MISMATCH,
        )
        return
    for owner, tokens in (
        (label, sorted(other.keys() - reference.keys())),
        (reference_label, sorted(reference.keys() - other.keys())),
    ):
        if tokens:
            yield Finding(
                f"{owner}: has {counted(len(tokens), 'token')} that the other tokenizer lacks: {names(tokens)}"
            )


def _examples(
    reference: Vocabulary, other: Vocabulary, taken: Mapping[int, str], moved: Sequence[str], renamed: Sequence[str]
) -> Iterator[str]:
    for token in moved[:2]:
        yield f"{token!r} has number {other[token]}, there {reference[token]}"
    for token in renamed[:2]:
        yield f"number {other[token]} is {token!r}, there {taken[other[token]]!r}"


def check_size(label: str, vocabulary: Vocabulary, rows: int | None) -> Iterator[Finding]:
    """A tokenizer whose numbers do not fit into the model's embedding."""
    if not vocabulary:
        yield Finding(f"{label}: the vocabulary is empty", Reason.TOKENIZER_MISMATCH)
        return
    token, number = max(vocabulary.items(), key=lambda item: item[1])
    if rows is not None and number >= rows:
        yield Finding(
            f"{label}: token {token!r} has number {number}, but config.json says vocab_size {rows}",
            Reason.TOKENIZER_MISMATCH,
        )
