"""Every bad manifest of the table gets exactly the problems that the table names."""

import pytest

from mergesearch.api import manifest
from mergesearch.errors import InvalidManifestError
from unit.api.bad_manifests import BAD_MANIFESTS, BadManifest

JARGON = ("Input should", "value_error", "string_type", "pydantic", "validation error", "extra_forbidden", "tuple")


@pytest.mark.parametrize("case", BAD_MANIFESTS, ids=lambda case: case.id)
def test_a_bad_manifest_is_told_its_problems_and_no_others(case: BadManifest) -> None:
    told = manifest.problems(case.text)

    assert [problem.path for problem in told] == [path for path, _ in case.expected]
    for problem, (_, part) in zip(told, case.expected, strict=True):
        assert part in str(problem)


@pytest.mark.parametrize("case", BAD_MANIFESTS, ids=lambda case: case.id)
def test_every_problem_says_what_is_allowed_in_plain_words_and_where_it_stands(case: BadManifest) -> None:
    lines = len(case.text.splitlines())
    for problem in manifest.problems(case.text):
        assert not [word for word in JARGON if word in str(problem)]
        assert problem.message
        if problem.path:
            assert problem.allowed
            assert problem.line is not None
            assert 1 <= problem.line <= lines


def test_loading_a_bad_manifest_raises_one_error_with_every_problem() -> None:
    case = next(case for case in BAD_MANIFESTS if case.id == "many-at-once")

    with pytest.raises(InvalidManifestError) as caught:
        manifest.load(case.text, "first-try.yaml")

    head, *lines = caught.value.message.splitlines()
    assert head == f"first-try.yaml: {len(case.expected)} problems"
    assert [line.strip() for line in lines] == [str(problem) for problem in manifest.problems(case.text)]
    assert lines[0] == (
        '  line 1: apiVersion: this is not a valid value; found "mergesearch.io/v1"; '
        "allowed: mergesearch.io/v1alpha1; did you mean mergesearch.io/v1alpha1?"
    )


def test_ids_of_the_table_are_unique() -> None:
    assert len({case.id for case in BAD_MANIFESTS}) == len(BAD_MANIFESTS)
