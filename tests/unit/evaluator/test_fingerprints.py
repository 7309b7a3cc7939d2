"""The digest of a task: equal for equal questions, different for any edit."""

import dataclasses
import datetime
import functools
from typing import Any

import pytest

from mergesearch_evaluator import fingerprints

DOCUMENTS = [{"question": "a", "n": 1}, {"question": "b", "n": 2}]


@dataclasses.dataclass
class Shots:
    """Like lm-eval's FewshotConfig."""

    split: str = "train"
    process: Any = None


@dataclasses.dataclass
class Config:
    """Like lm-eval's TaskConfig."""

    doc_to_text: Any = "{{question}}"
    fewshot_config: Shots = dataclasses.field(default_factory=Shots)
    metric_list: Any = None
    dataset_kwargs: Any = None
    task: str = "task"


def first(document: dict[str, Any]) -> str:
    return str(document["question"])


def second(document: dict[str, Any]) -> str:
    return str(document["question"])


def digest(documents: Any = DOCUMENTS, examples: Any = (), *, data: str = "", **changes: Any) -> str:
    return fingerprints.digest(documents, examples, Config(**changes), data)


def test_a_digest_is_what_the_contract_takes() -> None:
    assert len(digest()) == 16
    int(digest(), 16)


def test_the_digest_is_the_same_in_every_process_and_release() -> None:
    """Written down: a change of this number stalls every search that is running."""
    assert digest() == "1fea53397deadde0"


@pytest.mark.parametrize(
    "same",
    [
        pytest.param(digest([{"n": 1, "question": "a"}, {"n": 2, "question": "b"}]), id="order-of-keys"),
        pytest.param(digest(iter(DOCUMENTS)), id="any-iterable"),
        pytest.param(digest(dataset_kwargs={"data_files": "/elsewhere"}), id="where-the-documents-lie"),
        pytest.param(digest(task="renamed"), id="name"),
    ],
)
def test_what_does_not_change_a_score_does_not_change_the_digest(same: str) -> None:
    assert same == digest()


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(digest(DOCUMENTS[:1]), id="fewer-documents"),
        pytest.param(digest(DOCUMENTS[::-1]), id="order-of-documents"),
        pytest.param(digest([*DOCUMENTS[:1], {"question": "b", "n": 3}]), id="a-value"),
        pytest.param(digest(DOCUMENTS[:1], DOCUMENTS[1:]), id="a-document-among-the-examples"),
        pytest.param(digest(doc_to_text="{{question}} "), id="prompt"),
        pytest.param(digest(doc_to_text=first), id="function"),
        pytest.param(digest(fewshot_config=Shots("test")), id="few-shot-split"),
        pytest.param(digest(fewshot_config=Shots(process=first)), id="function-inside"),
        pytest.param(digest(metric_list=[{"metric": first}]), id="function-in-a-list"),
        pytest.param(digest(data="abbreviations"), id="data-that-answers-are-scored-by"),
    ],
)
def test_an_edit_changes_the_digest(other: str) -> None:
    assert other != digest()


def test_functions_are_told_apart_by_name_and_file_not_by_address() -> None:
    assert digest(doc_to_text=first) != digest(doc_to_text=second)
    assert digest(doc_to_text=functools.partial(first)) == digest(doc_to_text=functools.partial(first))
    assert digest(doc_to_text=len) == digest(doc_to_text=len)


@pytest.mark.parametrize(
    "value",
    [
        datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
        datetime.date(2026, 1, 2),
        b"bytes",
        float("nan"),
        object(),
        (1, 2),
        None,
    ],
    ids=lambda value: type(value).__name__,
)
def test_documents_may_hold_what_json_does_not(value: object) -> None:
    assert digest([{"value": value}]) == digest([{"value": value}])
