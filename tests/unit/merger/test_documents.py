"""JSON that came with a checkpoint: what people write is parsed, what could not be walked or written again is not."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergesearch_merger import documents


def nested(depth: int) -> bytes:
    """Objects and arrays by turns, so many inside each other."""
    pairs = [('{"a":', "}") if level % 2 else ("[", "]") for level in range(depth)]
    return ("".join(begin for begin, _ in pairs) + "1" + "".join(end for _, end in reversed(pairs))).encode()


ACCEPTED: dict[str, tuple[bytes, object]] = {
    "a byte order mark": (b"\xef\xbb\xbf[1]", [1]),
    "an escaped pair of surrogates": (b'["\\ud83d\\ude00"]', ["\U0001f600"]),
    "infinity": (b"[1e999]", [float("inf")]),
    "as deep as it may be": (nested(documents.MAX_DEPTH), json.loads(nested(documents.MAX_DEPTH))),
}
REFUSED = {
    "nothing": (b"", "not JSON"),
    "UTF-16": ("[1]".encode("utf-16"), "not JSON"),
    "half a character": (b'{"a": "\\udc00 \\ud800"}', r"half a character"),
    "half a character in a name": (b'{"\\uD83d": 1}', "half a character"),
    "half a character in bytes": (b'["\xed\xa0\x80"]', "not JSON"),
    "one level too many": (nested(documents.MAX_DEPTH + 1), "nested deeper than 64 levels"),
    "more levels than the stack takes": (nested(100_000), "nested deeper than 64 levels"),
    "a number of many digits": (b"[" + b"1" * 5000 + b"]", "4300 digits"),
}


@pytest.mark.parametrize(("content", "expected"), ACCEPTED.values(), ids=ACCEPTED)
def test_what_people_write_is_parsed(content: bytes, expected: object) -> None:
    assert documents.parse(content) == expected


@pytest.mark.parametrize(("content", "says"), REFUSED.values(), ids=REFUSED)
def test_what_nobody_writes_is_refused_with_why(content: bytes, says: str) -> None:
    with pytest.raises(documents.DocumentError, match=says):
        documents.parse(content)


def test_a_byte_order_mark_is_no_part_of_plain_utf_8() -> None:
    with pytest.raises(documents.DocumentError):
        documents.parse(b"\xef\xbb\xbf[1]", encoding="utf-8")


@given(st.binary(max_size=60) | st.text('[]{}",:\\ud8019e-. ', max_size=40).map(str.encode))
def test_whatever_is_parsed_can_be_written_again(content: bytes) -> None:
    try:
        found = documents.parse(content)
    except documents.DocumentError:
        return
    json.dumps(found, indent=2, ensure_ascii=False).encode()
