"""What the merger does with each dtype that a safetensors file can hold. Pure."""

from typing import Final

BITS: Final = {
    "BOOL": 8,
    "U8": 8,
    "I8": 8,
    "F8_E5M2": 8,
    "F8_E4M3": 8,
    "F8_E8M0": 8,
    "F8_E5M2FNUZ": 8,
    "F8_E4M3FNUZ": 8,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "F4": 4,
    "I16": 16,
    "U16": 16,
    "F16": 16,
    "BF16": 16,
    "I32": 32,
    "U32": 32,
    "F32": 32,
    "I64": 64,
    "U64": 64,
    "F64": 64,
    "C64": 64,
}
"""Bits of one element of every dtype in the safetensors format."""

FLOATS: Final = frozenset({"F64", "F32", "F16", "BF16"})
"""Merged; may be mixed between checkpoints."""

BUFFERS: Final = frozenset({"BOOL", "U8", "I8", "I16", "U16", "I32", "U32", "I64", "U64"})
"""Never averaged: equal in all checkpoints, or taken from the first."""

OUTPUTS: Final = {"bfloat16": "BF16", "float16": "F16", "float32": "F32"}
"""The request's names of the output dtypes, and those of the format."""

HALVES: Final = frozenset({"BF16", "F16"})
"""Output dtypes whose sums are kept in fp32; the sums of all others are kept in fp64."""


def width(dtype: str) -> int:
    """Bytes of one element of a dtype that can be merged or copied."""
    return BITS[dtype] // 8
