"""Reads the checkpoints' tokenizers and compares each with the one that the merge carries."""

import hashlib
from collections.abc import Iterator, Sequence

from mergesearch import fingerprint
from mergesearch.reasons import Reason
from mergesearch_merger import companions, configs, documents, vocabulary
from mergesearch_merger.checkpoint import Checkpoint
from mergesearch_merger.findings import Finding

TOKENIZER_FILE = "tokenizer.json"


def check(reference: Checkpoint, others: Sequence[Checkpoint]) -> Iterator[Finding]:
    """What is wrong with the tokenizer of `reference`, and where those of `others` differ from it. Raises OSError."""
    if not companions.has_vocabulary(tuple(reference.companions)):
        yield Finding(
            f"{reference.label}: the merges are to carry its tokenizer, but it has none "
            f"(none of {', '.join(fingerprint.TOKENIZER_FILES)})",
            Reason.CHECKPOINT_UNREADABLE,
        )
        return
    if TOKENIZER_FILE not in reference.companions:
        yield from _compare_other_formats(reference, others)
        return
    label = f"{reference.label}/{TOKENIZER_FILE}"
    content = reference.companions[TOKENIZER_FILE].read_bytes()
    try:
        expected = _parse(content)
    except vocabulary.VocabularyError as error:
        yield Finding(f"{label}: {error}", Reason.CHECKPOINT_UNREADABLE)
        return
    yield from vocabulary.check_size(label, expected, configs.vocabulary_size(reference.config))
    for other in others:
        yield from _compare(label, content, expected, other)


def _compare(label: str, content: bytes, expected: vocabulary.Vocabulary, other: Checkpoint) -> Iterator[Finding]:
    if TOKENIZER_FILE not in other.companions:
        yield Finding(f"{other.label}: has no {TOKENIZER_FILE}, so its vocabulary could not be compared with {label}")
        return
    theirs = other.companions[TOKENIZER_FILE].read_bytes()
    if theirs == content:
        return
    try:
        found = _parse(theirs)
    except vocabulary.VocabularyError as error:
        yield Finding(f"{other.label}/{TOKENIZER_FILE}: {error}", Reason.CHECKPOINT_UNREADABLE)
        return
    yield from vocabulary.compare(label, expected, f"{other.label}/{TOKENIZER_FILE}", found)


def _parse(content: bytes) -> vocabulary.Vocabulary:
    try:
        document = documents.parse(content)
    except documents.DocumentError as error:
        raise vocabulary.VocabularyError(str(error)) from error
    if not isinstance(document, dict):
        raise vocabulary.VocabularyError("not a JSON object")
    return vocabulary.of_tokenizer(document)


def _compare_other_formats(reference: Checkpoint, others: Sequence[Checkpoint]) -> Iterator[Finding]:
    """Older formats are not taken apart: files of the same name with another content are a warning."""
    for name, path in reference.companions.items():
        if not companions.has_vocabulary([name]):
            continue
        expected = hashlib.sha256(path.read_bytes()).digest()
        for other in others:
            theirs = other.companions.get(name)
            if theirs is not None and hashlib.sha256(theirs.read_bytes()).digest() != expected:
                yield Finding(f"{other.label}/{name}: differs from {reference.label}/{name}; the latter is carried")
