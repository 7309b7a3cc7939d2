"""Whether several checkpoints can be merged tensor by tensor, and what the output then holds. Pure.

Tied embeddings: where config.json ties the output head to the token embedding, the head is not a weight of its own.
Some tools store it nevertheless. It is left out of the output, and `tied_heads` names it, so that whoever reads data
can make sure that a stored head equals its embedding.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mergesearch.reasons import Reason
from mergesearch_merger import configs, dtypes
from mergesearch_merger.checkpoint import Checkpoint
from mergesearch_merger.findings import SHOWN_NAMES, Finding, counted, names
from mergesearch_merger.header import Tensor
from mergesearch_merger.layout import OutputTensor

HEADS = ("lm_head.weight", "embed_out.weight", "language_model.lm_head.weight")
"""Names of the output head in the models of transformers."""

PACKED = (".weight", ".qweight", ".qzeros", ".weight_packed", ".weight_scale", ".absmax", ".quant_map")
"""An integer tensor with such a name holds quantised weights, never a buffer."""


@dataclass(frozen=True, slots=True)
class TiedHead:
    """A head that the output leaves out, and the embedding that it must equal."""

    head: str
    embedding: str


def tied_head(reference: Checkpoint) -> TiedHead | None:
    """The head that `reference` ties to its embedding: by its config, or, where that is silent, by storing none."""
    head = next((name for name in HEADS if name in reference.places), None)
    embedding = next((name for name in configs.EMBEDDINGS if name in reference.places), None)
    if embedding is None or not _ties(reference, stores_head=head is not None):
        return None
    return TiedHead(head or _head_beside(embedding), embedding)


def _ties(reference: Checkpoint, *, stores_head: bool) -> bool:
    said = reference.config.get("tie_word_embeddings")
    return said if isinstance(said, bool) else not stores_head


def _head_beside(embedding: str) -> str:
    if embedding.startswith("gpt_neox."):
        return "embed_out.weight"
    return "language_model.lm_head.weight" if embedding.startswith("language_model.") else "lm_head.weight"


def check(reference: Checkpoint, others: Sequence[Checkpoint]) -> Iterator[Finding]:
    """All reasons why `others` cannot be merged with `reference`, and warnings."""
    tied = tied_head(reference)
    left_out = tied.head if tied else None
    for checkpoint in (reference, *others):
        yield from configs.check(checkpoint)
        yield from _unmergeable(checkpoint)
    for other in others:
        yield from configs.compare(reference, other)
        yield from _names(reference, other, left_out)
        yield from _shapes(reference, other)
        yield from _kinds(reference, other)


def output_tensors(reference: Checkpoint, dtype: str) -> tuple[OutputTensor, ...]:
    """What a merge into `dtype` (a name of the format) holds, in the order in which `reference` stores it."""
    tied = tied_head(reference)
    return tuple(
        OutputTensor(
            name=name,
            dtype=dtype if place.tensor.dtype in dtypes.FLOATS else place.tensor.dtype,
            shape=place.tensor.shape,
        )
        for name, place in reference.places.items()
        if tied is None or name != tied.head
    )


def _unmergeable(checkpoint: Checkpoint) -> Iterator[Finding]:
    tensors = [place.tensor for place in checkpoint.places.values()]
    for dtype in sorted({tensor.dtype for tensor in tensors} - dtypes.FLOATS - dtypes.BUFFERS):
        holders = [tensor.name for tensor in tensors if tensor.dtype == dtype]
        yield Finding(
            f"{checkpoint.label}: {counted(len(holders), 'tensor')} of dtype {dtype}, which cannot be averaged: "
            f"{names(holders)}",
            Reason.UNSUPPORTED_FORMAT,
        )
    packed = [tensor.name for tensor in tensors if tensor.dtype in dtypes.BUFFERS and tensor.name.endswith(PACKED)]
    if packed:
        yield Finding(
            f"{checkpoint.label}: {counted(len(packed), 'tensor')} of quantised weights, stored as integers: "
            f"{names(packed)}",
            Reason.UNSUPPORTED_FORMAT,
        )


def _names(reference: Checkpoint, other: Checkpoint, left_out: str | None) -> Iterator[Finding]:
    for lacking, having in ((other, reference), (reference, other)):
        absent = [name for name in having.places if name not in lacking.places and name != left_out]
        if absent:
            yield Finding(
                f"{lacking.label}: lacks {counted(len(absent), 'tensor')} that {having.label} has: {names(absent)}",
                Reason.CHECKPOINTS_INCOMPATIBLE,
            )


def _shapes(reference: Checkpoint, other: Checkpoint) -> Iterator[Finding]:
    differing = [
        f"{ours.name!r} has shape {list(theirs.shape)}, there {list(ours.shape)}"
        for ours, theirs in _shared(reference, other)
        if ours.shape != theirs.shape
    ]
    if differing:
        yield _several(f"{other.label}: shapes differ from {reference.label}", differing)


def _kinds(reference: Checkpoint, other: Checkpoint) -> Iterator[Finding]:
    """Floats mix with floats of any width; a buffer only with its own dtype."""
    differing = [
        f"{ours.name!r} is {theirs.dtype}, there {ours.dtype}"
        for ours, theirs in _shared(reference, other)
        if ours.dtype != theirs.dtype and not {ours.dtype, theirs.dtype} <= dtypes.FLOATS
    ]
    if differing:
        yield _several(f"{other.label}: dtypes cannot be mixed with those of {reference.label}", differing)


def _shared(reference: Checkpoint, other: Checkpoint) -> Iterator[tuple[Tensor, Tensor]]:
    for name, place in reference.places.items():
        if name in other.places:
            yield place.tensor, other.places[name].tensor


def _several(what: str, sentences: Sequence[str]) -> Finding:
    rest = len(sentences) - SHOWN_NAMES
    tail = [f"and {rest} more"] if rest > 0 else []
    return Finding(f"{what}: {'; '.join([*sentences[:SHOWN_NAMES], *tail])}", Reason.CHECKPOINTS_INCOMPATIBLE)
