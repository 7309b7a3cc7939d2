"""What `mergesearch validate` refuses, the API server refuses as well; where it cannot, that is known."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings

from integration.crd.server import Searches
from mergesearch.api import manifest
from mergesearch.api.problem import Problem
from unit.api import good
from unit.api.bad_manifests import BAD_MANIFESTS, BadManifest
from unit.api.test_manifest_properties import mutated

ACCEPTED = {
    # Readers of YAML differ.
    "tag": "a tag is ignored by Kubernetes' parser",
    "forgotten-value": "a null is dropped, and the default takes its place",
    # CEL cannot normalise a path.
    "folder-twice": "`a` and `./a` are different texts",
    "task-folder-twice": "`a` and `./a` are different texts",
    # What tasks have changes with lm-eval: the operator says it, as Invalid.
    "all-samples-searched": "what a task has",
    "too-many-unseen-samples": "what a task has",
    "too-many-samples-together": "what a task has",
    "too-many-held-out-samples": "what a task has",
    "range-beyond-the-task": "what a task has",
    "ranges-of-a-group": "what a task has",
    "metric-of-another-name": "what a task has",
    "metric-that-is-no-mean": "what a task has",
    "filter-misspelt": "what a task has",
    "filter-left-out": "what a task has",
    "filter-of-the-preset": "what a task has",
    # What is passed on to pods has no schema, and CEL does not see it.
    "own-variable": "passed on to pods",
    "variable-of-slices": "passed on to pods",
    "variable-number": "passed on to pods",
    "variable-name": "passed on to pods",
    "variable-list": "passed on to pods",
    "pod-volume-without-name": "passed on to pods",
    "pod-volume-twice": "passed on to pods",
    "pod-volume-taken": "passed on to pods",
    "mount-without-path": "passed on to pods",
    "mount-without-volume": "passed on to pods",
    "toleration-typo": "passed on to pods",
}
"""Manifests that only the command line refuses, and why the API server cannot."""
INVALID = 422
LARGEST_REQUEST = 1_000_000


@pytest.mark.parametrize("case", [c for c in BAD_MANIFESTS if len(c.text) < LARGEST_REQUEST], ids=lambda case: case.id)
def test_a_manifest_that_validate_refuses_is_refused_by_the_api_server_unless_it_cannot_see_why(
    case: BadManifest, searches: Searches
) -> None:
    text = case.text.replace("  namespace: post-training\n", "")

    answer = searches.create(text)

    assert answer.accepted == (case.id in ACCEPTED), answer.message
    if answer.code == INVALID:
        # The same part of the manifest is named: it is not refused for something else.
        parts = [".".join(path.split("[")[0].split(".")[:2]) for path, _ in case.expected]
        assert any(part in answer.message for part in parts), answer.message


@pytest.mark.parametrize("case", [c for c in BAD_MANIFESTS if c.base == "full"], ids=lambda case: case.id)
def test_a_refusal_never_shows_how_a_rule_went_wrong(case: BadManifest, searches: Searches) -> None:
    answer = searches.create(case.text.replace("  namespace: post-training\n", ""))

    assert "evaluating rule" not in answer.message


def test_every_known_gap_is_a_manifest_of_the_table() -> None:
    assert set(ACCEPTED) <= {case.id for case in BAD_MANIFESTS}


def is_known(problem: Problem) -> bool:
    """Whether the API server cannot see this."""
    known = ("this is empty", "is the same folder", " documents", "single task", "be optimised by", "no such filter")
    return ".template." in problem.path or any(words in problem.message for words in known)


@settings(max_examples=200)
@given(mutated())
def test_whatever_is_done_to_a_manifest_the_api_server_decides_as_validate_does(
    searches: Searches, content: Any
) -> None:
    content = copy.deepcopy(content)
    if isinstance(content, dict) and isinstance(content.get("metadata"), dict):
        content["metadata"].pop("namespace", None)
    examined = manifest.examine(good.text_of(content))

    answer = searches.create(good.text_of(content))

    if answer.accepted:
        assert [str(problem) for problem in examined.problems if not is_known(problem)] == []
    else:
        assert examined.problems, answer.message
