"""The models of the resource: their value types, their bounds, and how they look as documents."""

import datetime
import json
import struct
from collections.abc import Iterator
from typing import Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergesearch.api import base, manifest
from mergesearch.api.resource import MergeSearch
from mergesearch.api.spec import Cmaes, MergeSearchSpec, Search
from mergesearch.api.status import (
    MergeSearchStatus,
    Phase,
    PreflightStatus,
    Record,
    RecordKind,
    RecordState,
    decode_vector,
    encode_vector,
)
from unit.api import good

DECIMAL: pydantic.TypeAdapter[str] = pydantic.TypeAdapter(base.PositiveDecimal)
FRACTION: pydantic.TypeAdapter[str] = pydantic.TypeAdapter(base.FractionDecimal)
SIZE: pydantic.TypeAdapter[str] = pydantic.TypeAdapter(base.Size)
DURATION: pydantic.TypeAdapter[str] = pydantic.TypeAdapter(base.Duration)
NAME: pydantic.TypeAdapter[str] = pydantic.TypeAdapter(base.Name)
RELATIVE_PATH: pydantic.TypeAdapter[str] = pydantic.TypeAdapter(base.RelativePath)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1Mi", 2**20),
        ("5Gi", 5 * 2**30),
        ("1.5Gi", 3 * 2**29),
        ("2Ti", 2**41),
        ("500M", 5 * 10**8),
        ("3k", 3000),
        ("7G", 7 * 10**9),
        ("1T", 10**12),
        ("1048576", 2**20),
        ("4Ki", 4096),
    ],
)
def test_a_size_is_a_number_of_bytes(text: str, number: int) -> None:
    assert base.bytes_of(text) == number


@pytest.mark.parametrize("text", ["", "5GB", "5 Gi", "Gi", "-1Gi", "5Gi\n", "1e3", "٣Gi", ".5Gi", "5gi"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size such as 500Mi or 5Gi"):
        base.bytes_of(text)


def test_a_size_below_a_mebibyte_is_refused_in_a_manifest() -> None:
    assert SIZE.validate_python("1Mi") == "1Mi"
    with pytest.raises(pydantic.ValidationError, match="below 1Mi"):
        SIZE.validate_python("1023Ki")


@pytest.mark.parametrize(
    ("text", "seconds"), [("24h", 86400), ("90m", 5400), ("1h30m", 5400), ("45s", 45), ("1h0m1s", 3601), ("0s", 0)]
)
def test_a_duration_is_a_number_of_seconds(text: str, seconds: int) -> None:
    assert base.seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "1d", "24", "24H", "1m1h", "1.5h", "-1h", "24h\n", "٣h", "1h 30m"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration such as 24h, 90m or 1h30m"):
        base.seconds_of(text)


def test_a_duration_of_nothing_is_refused_in_a_manifest() -> None:
    with pytest.raises(pydantic.ValidationError, match="not above 0"):
        DURATION.validate_python("0h0m")


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_hours_minutes_and_seconds_add_up(hours: int, minutes: int, seconds: int) -> None:
    assert base.seconds_of(f"{hours}h{minutes}m{seconds}s") == 3600 * hours + 60 * minutes + seconds


@pytest.mark.parametrize("text", ["1", "0.5", "1e-3", "2.50E+2", "0001.5"])
def test_a_decimal_string_stays_as_it_is_written(text: str) -> None:
    assert DECIMAL.validate_python(text) == text
    assert base.number_of(text) == float(text)


@pytest.mark.parametrize(
    "text", ["", "0", "0.0", "-1", "+1", ".5", "1.", "1e400", "nan", "inf", " 1", "1\n", "1_0", "٣", "1e-400"]
)
def test_what_is_no_positive_decimal_is_refused(text: str) -> None:
    with pytest.raises(pydantic.ValidationError):
        DECIMAL.validate_python(text)


@pytest.mark.parametrize("number", [0.5, 1, True, None])
def test_a_decimal_is_never_a_number(number: object) -> None:
    with pytest.raises(pydantic.ValidationError):
        DECIMAL.validate_python(number)


@pytest.mark.parametrize(
    ("text", "valid"), [("0", True), ("1", True), ("1.0001", False), ("0.7", True), ("70%", False)]
)
def test_a_fraction_lies_between_0_and_1(text: str, valid: object) -> None:
    if valid:
        assert FRACTION.validate_python(text) == text
    else:
        with pytest.raises(pydantic.ValidationError):
            FRACTION.validate_python(text)


@pytest.mark.parametrize("text", ["nan", "inf", "-Infinity", "x", ""])
def test_a_number_is_finite(text: str) -> None:
    with pytest.raises(ValueError, match=r"not finite|not a decimal number"):
        base.number_of(text)


@pytest.mark.parametrize("name", ["a", "sft-03", "a.b", "0", "x" * 63])
def test_a_name_has_lower_case_letters_digits_dashes_and_dots(name: str) -> None:
    assert NAME.validate_python(name) == name


@pytest.mark.parametrize("name", ["", "A", "-a", "a-", ".a", "a_b", "a/b", "x" * 64, "a\n", "ä"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(pydantic.ValidationError):
        NAME.validate_python(name)


@pytest.mark.parametrize("path", ["/a", "", "\x00", "a\x00b", "x" * 513])
def test_a_path_lies_inside_a_volume(path: str) -> None:
    assert RELATIVE_PATH.validate_python("a/b c") == "a/b c"
    with pytest.raises(pydantic.ValidationError):
        RELATIVE_PATH.validate_python(path)


@pytest.mark.parametrize("text", [good.MINIMAL, good.FULL], ids=["minimal", "full"])
def test_a_resource_reads_back_from_its_document(text: str) -> None:
    resource = manifest.load(text, "good.yaml")
    document = resource.to_document()

    assert MergeSearch.model_validate(document) == resource
    assert MergeSearch.model_validate_json(json.dumps(document), strict=True) == resource
    assert document["spec"]["search"]["maxEvaluations"] == resource.spec.search.max_evaluations
    assert not [key for key in keys(document["spec"]) if "_" in key and key in python_names()]


@pytest.mark.parametrize("text", [good.MINIMAL, good.FULL], ids=["minimal", "full"])
def test_a_resource_reads_back_from_its_manifest(text: str) -> None:
    resource = manifest.load(text, "good.yaml")

    assert manifest.load(manifest.dump(resource), "dumped") == resource


@pytest.mark.parametrize(
    "word", ["1e-3", "y", "010", "on", "~", "5", "2026-11-22", "a: b", "", "x\ny", "é", ".inf", "<<"]
)
def test_a_manifest_quotes_what_would_not_be_read_as_text(word: str) -> None:
    resource = manifest.load(good.MINIMAL, "minimal.yaml")
    odd = resource.model_copy(update={"spec": resource.spec.model_copy(update={"retry": word})})

    assert manifest.load(manifest.dump(odd), "dumped").spec.retry == word


def test_a_dumped_manifest_holds_what_differs_from_the_defaults() -> None:
    dumped = manifest.dump(manifest.load(good.MINIMAL, "minimal.yaml"))

    assert dumped.splitlines()[:2] == ["apiVersion: mergesearch.io/v1alpha1", "kind: MergeSearch"]
    assert "maxEvaluations" not in dumped
    assert "null" not in dumped


def test_a_status_reads_back_from_its_document() -> None:
    now = datetime.datetime(2026, 11, 22, 3, 0, tzinfo=datetime.UTC)
    record = Record(
        id="candidate-00001",
        kind=RecordKind.SEARCH,
        generation=0,
        x=encode_vector((0.5, -1.0)),
        state=RecordState.SCORED,
        scores=(0.25, 0.5),
        errors=(0.01, None),
        fitness=0.375,
        started_at=now,
    )
    status = MergeSearchStatus(
        phase=Phase.SEARCHING, start_time=now, candidates=(record,), preflight=PreflightStatus(free_bytes=5)
    )
    document = status.to_document()

    assert MergeSearchStatus.model_validate_json(json.dumps(document), strict=True) == status
    assert document["candidates"][0]["startedAt"] == "2026-11-22T03:00:00Z"
    assert "finishedAt" not in document["candidates"][0]


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_status_holds_no_number_that_json_does_not_know(number: float) -> None:
    with pytest.raises(pydantic.ValidationError):
        Record(id="a", kind=RecordKind.SEARCH, fitness=number)
    with pytest.raises(pydantic.ValidationError):
        Record(id="a", kind=RecordKind.SEARCH, scores=(number,))


def test_models_are_frozen_and_refuse_unknown_fields() -> None:
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        Cmaes().warm_start = False  # type: ignore[misc]
    with pytest.raises(pydantic.ValidationError, match="maxEvaluation"):
        Search.model_validate({"maxEvaluation": 5})


def test_lists_and_maps_of_defaults_are_never_shared() -> None:
    one, other = manifest.load(good.MINIMAL, "a").spec, manifest.load(good.MINIMAL, "b").spec

    one.evaluator.engine_args["max_model_len"] = "1"

    assert other.evaluator.engine_args == {}
    assert manifest.load(good.MINIMAL, "c").spec.evaluator.engine_args == {}


def test_every_field_of_the_resource_is_explained() -> None:
    silent = [
        f"{name}.{field}"
        for name, model in definitions().items()
        for field, schema in model.get("properties", {}).items()
        if "description" not in schema and "description" not in definitions()[schema["$ref"].rsplit("/")[-1]]
    ]

    assert silent == []


def test_every_text_list_and_map_of_the_spec_is_bounded() -> None:
    """The API server's cost limits count what could be there."""
    open_ended = [
        path
        for path, schema in places(MergeSearchSpec.model_json_schema(by_alias=True))
        if (schema.get("type") == "string" and not {"maxLength", "enum", "const"} & schema.keys())
        or (schema.get("type") == "array" and "maxItems" not in schema)
        or (schema.get("type") == "object" and "additionalProperties" in schema and is_open(schema))
    ]

    assert open_ended == []


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=64).map(tuple))
def test_a_vector_of_float32_reads_back_bit_by_bit(x: tuple[float, ...]) -> None:
    text = encode_vector(x)

    assert struct.pack(f"<{len(x)}f", *decode_vector(text)) == struct.pack(f"<{len(x)}f", *x)
    assert len(text) <= 4 * len(x) * 4 // 3 + 4
    assert text.isascii()


def test_a_vector_is_little_endian() -> None:
    assert encode_vector((1.0, -2.0)) == "AACAPwAAAMA="


@pytest.mark.parametrize("text", ["AAA=", "AACAP", "!!!!", "AACAPwA="])
def test_what_is_no_vector_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"float32|base64|padding|data|Incorrect|Non-base64|Excess"):
        decode_vector(text)


def definitions() -> dict[str, Any]:
    schema = MergeSearch.model_json_schema(by_alias=True)
    return {"MergeSearch": schema, **schema["$defs"]}


def places(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every part of a schema that describes a value, but those that allow any JSON."""
    yield path, schema
    for key, part in schema.items():
        if key in ("$defs", "properties") and isinstance(part, dict):
            for name, inner in part.items():
                if name != "JsonValue":
                    yield from places(inner, f"{path}.{name}")
        elif key == "items" or (key == "additionalProperties" and isinstance(part, dict)):
            yield from places(part, f"{path}[]")
        elif key == "anyOf":
            for inner in part:
                yield from places(inner, path)


def is_open(schema: dict[str, Any]) -> bool:
    """A map without a bound, unless it is passed on as it is."""
    values = schema["additionalProperties"]
    free = values is True or (isinstance(values, dict) and values.get("$ref", "").endswith("JsonValue"))
    return values is not False and not free and "maxProperties" not in schema


def keys(content: Any) -> Iterator[str]:
    if isinstance(content, dict):
        for key, value in content.items():
            yield key
            yield from keys(value)
    elif isinstance(content, list):
        for value in content:
            yield from keys(value)


def python_names() -> set[str]:
    return {"max_evaluations", "held_out", "task_folders", "keep_best", "engine_args", "access_modes", "num_fewshot"}
