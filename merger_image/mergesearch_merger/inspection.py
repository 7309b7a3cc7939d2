"""Reads the checkpoints of a request and judges them together: what preflight and merge have in common."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mergesearch import contract, fingerprint
from mergesearch.contract import Dtype
from mergesearch.errors import InvalidRequestError
from mergesearch.reasons import Reason
from mergesearch.worker import Volumes
from mergesearch_merger import compatibility, dtypes, layout, reader, tokenizers
from mergesearch_merger.checkpoint import Checkpoint
from mergesearch_merger.findings import Finding, names, problems


@dataclass(frozen=True, slots=True)
class Inspection:
    """Checkpoints that were read, and all that was found."""

    checkpoints: tuple[Checkpoint, ...]
    """Those that could be read, in the request's order."""
    reference: Checkpoint | None
    """The one whose tokenizer and config the merges carry, if it could be read."""
    findings: tuple[Finding, ...]

    def layout(self, dtype: Dtype, max_shard_bytes: int) -> layout.Layout | None:
        """The files of a merge; None where the reference could not be read."""
        if self.reference is None or problems(self.findings):
            return None
        tensors = compatibility.output_tensors(self.reference, dtypes.OUTPUTS[dtype])
        return layout.lay_out(tensors, max_shard_bytes)


def check_names(checkpoints: Sequence[contract.Checkpoint], tokenizer_from: str) -> None:
    """Refuse a request whose checkpoints cannot be told apart, or that takes the tokenizer from none of them."""
    known = [checkpoint.name for checkpoint in checkpoints]
    twice = sorted({name for name in known if known.count(name) > 1})
    if twice:
        raise InvalidRequestError(f"checkpoints named twice: {names(twice)}", reason=Reason.MALFORMED_REQUEST)
    if tokenizer_from not in known:
        raise InvalidRequestError(
            f"the tokenizer is to come from {tokenizer_from!r}, which is none of the checkpoints: {names(known)}",
            reason=Reason.MALFORMED_REQUEST,
        )


def inspect(checkpoints: Iterable[contract.Checkpoint], volumes: Volumes, reference_name: str) -> Inspection:
    """Read all headers, compare with the fingerprints where they are given, and compare with each other.

    Raises OSError where the disk fails.
    """
    found: list[Checkpoint] = []
    findings: list[Finding] = []
    vetted: set[str] = set()
    for wanted in checkpoints:
        checkpoint, problems_of_it = reader.read(wanted, volumes)
        findings.extend(problems_of_it)
        if checkpoint is None:
            continue
        found.append(checkpoint)
        if wanted.fingerprint is not None:
            vetted.add(wanted.name)
            findings.extend(_changed(wanted, checkpoint))
    reference = next((checkpoint for checkpoint in found if checkpoint.name == reference_name), None)
    if reference is not None:
        others = [checkpoint for checkpoint in found if checkpoint is not reference]
        findings.extend(compatibility.check(reference, others))
        # A fingerprint says that the preflight has compared this tokenizer; parsing it again would take seconds.
        if reference.name not in vetted or not all(other.name in vetted for other in others):
            findings.extend(tokenizers.check(reference, others))
    return Inspection(tuple(found), reference, tuple(findings))


def _changed(wanted: contract.Checkpoint, checkpoint: Checkpoint) -> Iterable[Finding]:
    if wanted.fingerprint not in (None, checkpoint.fingerprint):
        what = fingerprint.changed(wanted.fingerprint, checkpoint.print_files)
        yield Finding(f"checkpoint {wanted.name!r}: {checkpoint.label} {what}", Reason.CHECKPOINT_CHANGED)
