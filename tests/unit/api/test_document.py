"""YAML is read as kubectl reads it, with the line of every value, and without surprises."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergesearch.api import document, nodes, scalars
from mergesearch.api.document import Place

SCALARS: dict[str, scalars.Scalar] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "true": True,
    "True": True,
    "yes": True,
    "on": True,
    "y": True,
    "FALSE": False,
    "off": False,
    "N": False,
    "0": 0,
    "7": 7,
    "-12": -12,
    "+5": 5,
    "1_000": 1000,
    "0x1F": 31,
    "0o17": 15,
    "0b101": 5,
    "0.70": 0.7,
    ".5": 0.5,
    "5.": 5.0,
    "1e5": 1e5,
    "1E-3": 1e-3,
    "-1.5e+2": -150.0,
    "24:00": "24:00",
    "2026-11-22": "2026-11-22",
    "1.2.3": "1.2.3",
    "5Gi": "5Gi",
    "yEs": "yEs",
    "nan": "nan",
    "inf": "inf",
    "_1": "_1",
    "٣": "٣",
    "sft-03": "sft-03",
}


@pytest.mark.parametrize(("text", "value"), SCALARS.items(), ids=[repr(text) for text in SCALARS])
def test_an_unquoted_word_means_what_it_means_to_kubernetes(text: str, value: scalars.Scalar) -> None:
    read = scalars.read(text)

    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    "text", ["010", "-08", "007", "0_7", ".nan", ".inf", "-.Inf", "1e999", "9" * 301, "0x" + "f" * 400]
)
def test_an_unquoted_word_that_readers_differ_about_is_refused(text: str) -> None:
    with pytest.raises(scalars.AmbiguousScalarError) as caught:
        scalars.read(text)

    assert caught.value.allowed


def test_an_octal_number_is_explained() -> None:
    with pytest.raises(scalars.AmbiguousScalarError, match=r"means 10 to some .* \(octal 8\) to others") as caught:
        scalars.read("010")

    assert caught.value.allowed == '10 without the zero, or "010" in quotes'


@given(st.text())
def test_any_word_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(scalars.AmbiguousScalarError):
        assert isinstance(scalars.read(text), str | int | float | None)


def test_quoted_words_and_blocks_are_texts() -> None:
    text = "a: '010'\nb: \"yes\"\nc: |\n  1e5\nd: >-\n  on\ne: !!str 5\nf: ! 7\n"

    assert document.read(text).value == {"a": "010", "b": "yes", "c": "1e5\n", "d": "on", "e": "5", "f": "7"}


def test_every_value_has_the_line_of_its_key_or_dash() -> None:
    read = document.read("a:\n  b:\n    5\n  c:\n    - x\n    - d: y\n")

    assert {path: place.line for path, place in read.places.items()} == {
        (): 1,
        ("a",): 1,
        ("a", "b"): 2,
        ("a", "c"): 4,
        ("a", "c", 0): 5,
        ("a", "c", 1): 6,
        ("a", "c", 1, "d"): 6,
    }
    assert read.places[("a", "b")] == Place(2, "5")


def test_a_key_that_stands_twice_keeps_its_first_value_and_is_told() -> None:
    read = document.read("a: 1\nb: 2\na: 3\n")

    assert read.value == {"a": 1, "b": 2}
    assert [(problem.path, problem.line) for problem in read.problems] == [("a", 3)]
    assert "the first in line 1" in read.problems[0].found


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x: &x {a: 1, b: 2}\nz: {<<: *x, b: 3}\n", {"a": 1, "b": 3}),
        ("x: &x {a: 1}\nw: &w {a: 2, c: 4}\nz: {<<: [*x, *w]}\n", {"a": 1, "c": 4}),
        ("x: &x {a: 1}\nw: &w {<<: *x, c: 4}\nz: {<<: *w}\n", {"a": 1, "c": 4}),
        ("x: &x 5\nz: *x\n", 5),
        ("x: &x 5\nw: &x 6\nz: *x\n", 6),
    ],
    ids=["own-key-wins", "first-mapping-wins", "nested", "scalar", "anchor-given-again"],
)
def test_aliases_and_merge_keys_bring_in_what_they_name(text: str, value: object) -> None:
    read = document.read(text)

    assert isinstance(read.value, dict)
    assert read.value["z"] == value
    assert read.problems == ()


@pytest.mark.parametrize(
    ("text", "path", "part"),
    [
        ("z: {<<: 5}\n", 'z["<<"]', "<< takes in mappings only"),
        ("a: {b: 1}\n? [x]\n: 1\n", "", "a key is not a text"),
        ("a: {yes: 1}\n", "a.yes", "this key is not a text"),
        ("a: {1.5: 1}\n", 'a["1.5"]', "this key is not a text"),
        ("a: {~: 1}\n", 'a["~"]', "this key is not a text"),
        ("a: {010: 1}\n", "a.010", "leading zero"),
        ("a: !!python/object/apply:os.system [ls]\n", "a", "tags are not known here"),
        ("a: !!binary aGk=\n", "a", "found the tag !!binary"),
        ("a: !!int 5\n", "a", "found the tag !!int"),
        ('a: "\\ud83d"\n', "a", "half a character"),
        ("a: {<<: {b: 1}, <<: {c: 1}}\n", 'a["<<"]', "this key stands twice"),
    ],
    ids=[
        "merge",
        "list-key",
        "yes-key",
        "number-key",
        "null-key",
        "octal-key",
        "python",
        "binary",
        "int",
        "half",
        "twice",
    ],
)
def test_what_cannot_stand_in_a_resource_is_told_and_the_rest_is_read(text: str, path: str, part: str) -> None:
    read = document.read("first: 1\n" + text + "last: 2\n")

    assert [problem.path for problem in read.problems] == [path]
    assert part in str(read.problems[0])
    assert isinstance(read.value, dict)
    assert (read.value["first"], read.value["last"]) == (1, 2)


def test_a_number_as_a_key_is_its_text() -> None:
    assert document.read("100: a\n").value == {"100": "a"}


@pytest.mark.parametrize(
    ("text", "part", "line"),
    [
        ("", "the file is empty", None),
        ("---\n...\n", "the file is empty", None),
        ("a: 1\n---\nb: 1\n", "several documents", 3),
        ("a: &a [*a]\n", "encloses it", 1),
        ("a: 1\nb: *c\n", "the alias *c names no anchor", 2),
        ("[" * 65, "nested too deeply", 1),
        ("a: 1\n\tb: 2\n", "a tab stands", 2),
        ("a: 'x\nb: 1\n", "a quote is not closed", 1),
        ("a: 1\nb: [1\n", "a bracket or brace is not closed", 2),
        ("a: 1\nb: c: d\n", "does not fit those above", 2),
        ('a: "\\q"\n', "a backslash in double quotes", 1),
        ("a: `x`\n", "needs quotes", 1),
        ("a: !x!y 1\n", "the file is not YAML", 1),
        ("%YAML 2.0\n---\na: 1\n", "the file is not YAML", 1),
        ("a: 1\nb: \x00\n", "found the character U+0000", 2),
        ("x" * 2**20 + "\n", "at most 1048576", None),
    ],
    ids=lambda value: repr(value)[:24] if isinstance(value, str) else str(value),
)
def test_a_text_that_is_no_document_is_refused_with_its_line(text: str, part: str, line: int | None) -> None:
    with pytest.raises(nodes.NotReadableError) as caught:
        document.read(text)

    assert part in str(caught.value)
    assert caught.value.problem.line == line


def test_depth_is_counted_through_aliases() -> None:
    chain = "".join(f"a{level}: &a{level} [*a{level - 1}]\n" for level in range(1, 100))

    with pytest.raises(nodes.NotReadableError, match="nested too deeply"):
        document.read("a0: &a0 [x]\n" + chain)


def test_depth_is_counted_through_merge_keys() -> None:
    chain = "".join(f"a{level}: &a{level} {{<<: *a{level - 1}}}\n" for level in range(1, 100))

    with pytest.raises(nodes.NotReadableError, match="nested too deeply"):
        document.read("a0: &a0 {x: 1}\n" + chain)


def test_values_are_counted_through_merge_keys() -> None:
    bomb = "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 10))

    with pytest.raises(nodes.NotReadableError, match="too large with its aliases written out"):
        document.read("a0: &a0 {x: 1}\n" + bomb)


def test_a_manifest_of_the_largest_useful_size_is_read() -> None:
    entries = "".join(f"  - {{name: c{number}, path: p{number}}}\n" for number in range(10_000))

    value = document.read("a:\n" + entries).value

    assert isinstance(value, dict)
    assert len(value["a"]) == 10_000
