"""The merge as a configuration of mergekit that gives the same tensors; pure.

mergekit's `linear` sums w·x in the order of its models and rounds once at the end, as the merger does: in fp32 for
16-bit outputs, in fp64 for fp32 outputs. Four things keep it equal:

    weights            to the last digit, and `normalize: false`, since the merger does not divide by their sum again
    dtype, out_dtype   what is summed in, and what is written
    base_model         without one, config and tokenizer come from any of the models. It is the checkpoint whose
                       tokenizer the search took, with weight 0 where that has no share in the merge
    no tokenizer_source   that would rebuild the vocabulary, and cut embeddings that are padded to a round number
"""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from mergesearch.export import text
from mergesearch.export.subject import Source, Subject

FILE = "mergekit.yml"
DTYPES = {
    "bfloat16": ("float32", "bfloat16"),
    "float16": ("float32", "float16"),
    "float32": ("float64", "float32"),
}
"""By the data type of the merge: what is summed in, and what is written."""
SPECIAL = ("+", "@")
"""In a plain path mergekit takes what follows for a LoRA or a revision."""

Folders = Mapping[str, PurePath]
"""Where volumes lie, by their names."""


def recipe(subject: Subject, folders: Folders) -> str:
    """The YAML. Volumes that are not in `folders` stay as the first part of a relative path."""
    dtype, out_dtype = DTYPES[subject.resource.spec.merge.dtype]
    document = {
        "merge_method": "linear",
        "base_model": _model(subject.tokenizer, folders),
        "models": [
            {"model": _model(source, folders), "parameters": {"weight": source.weight}} for source in inputs(subject)
        ],
        "parameters": {"normalize": False},
        "dtype": dtype,
        "out_dtype": out_dtype,
    }
    comments = "".join(f"# {line}\n" for line in _comments(subject, folders))
    return comments + text.to_yaml(document)


def inputs(subject: Subject) -> tuple[Source, ...]:
    """What mergekit has to be told of: all that is merged, and the checkpoint with the tokenizer."""
    return tuple(source for source in subject.sources if source.weight != 0.0 or source == subject.tokenizer)


def unknown_volumes(subject: Subject, folders: Folders) -> tuple[str, ...]:
    """Volumes of its inputs of which nobody has said where they lie."""
    return tuple(dict.fromkeys(source.volume for source in inputs(subject) if source.volume not in folders))


def _model(source: Source, folders: Folders) -> Any:
    folder = folders.get(source.volume)
    path = str(folder / source.path if folder is not None else PurePath(source.volume, source.path))
    if any(character in path for character in SPECIAL):
        return {"model": {"path": text.Quoted(path)}}
    return text.Quoted(path)


def _comments(subject: Subject, folders: Folders) -> list[str]:
    name = text.line(subject.summary.name)
    lines = [
        f"The merge {text.line(subject.id)} of the search {name}.",
        f"The same tensors, up to a last bit where the sum lies on a tie: mergekit-yaml {FILE} OUTPUT",
    ]
    if subject.tokenizer.weight == 0.0:
        lines.append(f"The model with weight 0, {subject.tokenizer.name}, gives its config and its tokenizer only.")
    unknown = unknown_volumes(subject, folders)
    if unknown:
        lines += [
            f"Paths are VOLUME/FOLDER. Run it where {' and '.join(unknown)} can be seen under that name,",
            "or export again with " + " ".join(f"--volume {volume}=DIR" for volume in unknown) + ".",
        ]
    return lines
