"""The messages between processes: what reads back unchanged, what is refused, and what a request's hash covers."""

import hashlib
import json
from typing import Any, TypeVar

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergesearch import contract, reasons

A, B, C = "a" * 64, "b" * 64, "c" * 64

# --- Strategies for every message ---

AnyModel = TypeVar("AnyModel", bound=contract.Model)


def built(model: type[AnyModel], /, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[AnyModel]:
    """Messages with just these fields drawn; unlike `st.builds` nothing is guessed from types and aliases."""
    return st.fixed_dictionaries(fields).map(lambda drawn: model(**drawn))


texts = st.text(max_size=20)
hashes = st.text("0123456789abcdef", min_size=64, max_size=64)
short_digests = st.text("0123456789abcdef", min_size=16, max_size=16)
ids = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,10}[a-z0-9])?", fullmatch=True)
numbers = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(0, 2**63)
searches = built(contract.SearchRef, name=texts, uid=st.from_regex(r"[A-Za-z0-9-]{1,36}", fullmatch=True))
locations = built(contract.VolumePath, volume=texts, path=texts)
dtypes = st.sampled_from(["bfloat16", "float16", "float32"])
failures = st.none() | built(
    contract.Failure, reason=st.sampled_from(reasons.Reason), message=texts, transient=st.booleans()
)
checkpoints = built(contract.Checkpoint, name=texts, location=locations, fingerprint=st.none() | hashes)
engines = built(
    contract.Engine,
    backend=st.sampled_from(["vllm", "hf"]),
    dtype=dtypes,
    seed=counts,
    engine_args=st.dictionaries(texts, texts | st.integers(-(2**53), 2**53) | numbers | st.booleans(), max_size=3),
    max_gen_toks=st.none() | counts,
    batch_size=st.none() | counts,
    include_paths=st.lists(locations, max_size=2).map(tuple),
    allow_code_execution=st.booleans(),
)


@st.composite
def merge_requests(draw: st.DrawFn) -> contract.MergeRequest:
    inputs = tuple(draw(st.lists(checkpoints, min_size=1, max_size=4)))
    weights = st.lists(numbers, min_size=len(inputs), max_size=len(inputs)).map(tuple)
    candidates = built(contract.MergeCandidate, id=ids, weights=weights, keep=st.booleans())
    return contract.MergeRequest(
        version=1,
        search=draw(searches),
        checkpoints=inputs,
        candidates=tuple(draw(st.lists(candidates, min_size=1, max_size=3))),
        dtype=draw(dtypes),
        max_shard_bytes=draw(st.integers(2**10, 2**50)),
        tokenizer_from=draw(texts),
        prune=tuple(draw(st.lists(ids, max_size=2))),
        slices=draw(st.integers(1, 64)),
    )


@st.composite
def selections(draw: st.DrawFn, most: int = 200) -> contract.SampleSelection:
    total = draw(st.integers(1, most))
    start = draw(st.integers(0, total - 1))
    return contract.SampleSelection(
        leaf=draw(texts),
        total=total,
        start=start,
        stop=draw(st.integers(start + 1, total)),
        seed=draw(st.none() | st.integers(0, 2**31)),
        documents=draw(st.none() | short_digests),
    )


tasks = built(
    contract.Task,
    name=texts,
    metric=texts,
    filter=texts,
    num_fewshot=st.none() | counts,
    chat_template=st.booleans(),
    samples=st.lists(selections(), min_size=1, max_size=2).map(tuple),
)
requests = st.one_of(
    merge_requests(),
    built(
        contract.EvaluationRequest,
        version=st.just(1),
        search=searches,
        split=st.sampled_from(["search", "again", "unseen"]),
        candidates=st.lists(
            built(
                contract.EvaluationCandidate,
                id=ids,
                model=locations,
                merge_hash=st.none() | hashes,
                fingerprint=st.none() | hashes,
            ),
            min_size=1,
            max_size=3,
        ).map(tuple),
        tasks=st.lists(tasks, min_size=1, max_size=2).map(tuple),
        engine=engines,
    ),
    built(
        contract.PreflightCheckpointsRequest,
        version=st.just(1),
        search=searches,
        checkpoints=st.lists(checkpoints, max_size=2).map(tuple),
        dtype=dtypes,
        tokenizer_from=texts,
        outputs=st.integers(1, 100),
        living_searches=st.none() | st.lists(texts, max_size=2).map(tuple),
    ),
    built(
        contract.PreflightTasksRequest,
        version=st.just(1),
        search=searches,
        tasks=st.lists(
            built(contract.TaskQuestion, name=texts, metric=texts, num_fewshot=st.none() | counts),
            min_size=1,
            max_size=2,
        ).map(tuple),
        engine=engines,
        tokenizer=locations,
    ),
    built(
        contract.CompareRequest,
        version=st.just(1),
        search=searches,
        finalists=st.lists(
            built(contract.CompareCandidate, id=ids, evaluation_hash=hashes), min_size=1, max_size=2
        ).map(tuple),
        tasks=st.lists(texts, max_size=2).map(tuple),
        task_weights=st.lists(numbers, max_size=2).map(tuple),
        aggregate=st.sampled_from(["Mean", "WeightedMean", "GeometricMean", "Minimum"]),
        resamples=st.integers(100, 100_000),
    ),
    built(contract.CleanupRequest, version=st.just(1), search=searches, prune=st.lists(ids, max_size=2).map(tuple)),
)
scores = built(contract.TaskScore, task=texts, score=numbers, stderr=st.none() | numbers, samples=counts)
reports = st.one_of(
    built(
        contract.MergeReport,
        version=st.just(1),
        candidate=ids,
        request_hash=hashes,
        failure=failures,
        seconds=numbers,
        bytes_read=counts,
        weights_digest=st.none() | hashes,
        reused=st.booleans(),
    ),
    built(
        contract.EvaluationReport,
        version=st.just(1),
        candidate=ids,
        request_hash=hashes,
        failure=failures,
        scores=st.lists(scores, max_size=2).map(tuple),
        seconds=numbers,
    ),
    built(
        contract.PreflightCheckpointsReport,
        version=st.just(1),
        request_hash=hashes,
        failure=failures,
        checkpoints=st.lists(
            built(
                contract.CheckpointFacts,
                name=texts,
                fingerprint=hashes,
                bytes=counts,
                parameters=counts,
                dtypes=st.lists(texts, max_size=2).map(tuple),
            ),
            max_size=2,
        ).map(tuple),
        warnings=st.lists(texts, max_size=2).map(tuple),
    ),
    built(
        contract.PreflightTasksReport,
        version=st.just(1),
        request_hash=hashes,
        failure=failures,
        tasks=st.lists(
            built(
                contract.TaskFacts,
                name=texts,
                leaves=st.lists(
                    built(contract.LeafFacts, name=texts, total=counts, documents=short_digests), max_size=2
                ).map(tuple),
            ),
            max_size=2,
        ).map(tuple),
        versions=st.dictionaries(texts, texts, max_size=2),
    ),
    built(
        contract.CompareReport,
        version=st.just(1),
        request_hash=hashes,
        failure=failures,
        comparisons=st.lists(
            built(contract.Comparison, candidate=ids, baseline=ids, gain=numbers, low=numbers, high=numbers, p=numbers),
            max_size=2,
        ).map(tuple),
    ),
    built(
        contract.CleanupReport,
        version=st.just(1),
        request_hash=hashes,
        failure=failures,
        removed=st.lists(texts, max_size=2).map(tuple),
    ),
)

# --- Fixed messages ---


def merge_request(**changes: Any) -> contract.MergeRequest:
    fields: dict[str, Any] = {
        "version": 1,
        "search": {"name": "soup", "uid": "1234"},
        "checkpoints": [
            {"name": name, "location": {"volume": "checkpoints", "path": name}, "fingerprint": print_}
            for name, print_ in (("one", A), ("two", B), ("three", C))
        ],
        "candidates": [{"id": "g0-c0", "weights": [0.25, 0.75, 0.0]}],
        "tokenizer_from": "one",
    }
    return contract.MergeRequest.model_validate(fields | changes)


def evaluation_request(**changes: Any) -> contract.EvaluationRequest:
    fields: dict[str, Any] = {
        "version": 1,
        "search": {"name": "soup", "uid": "1234"},
        "split": "search",
        "candidates": [{"id": "g0-c0", "model": {"volume": "workspace", "path": "x"}, "merge_hash": A}],
        "tasks": [{"name": "rev", "metric": "exact_match", "samples": [{"leaf": "rev", "total": 10, "stop": 5}]}],
        "engine": {"backend": "hf"},
    }
    return contract.EvaluationRequest.model_validate(fields | changes)


def hash_of(request: contract.MergeRequest | contract.EvaluationRequest) -> str:
    if isinstance(request, contract.MergeRequest):
        return request.hash_of(request.candidates[0])
    return request.hash_of(request.candidates[0])


def checkpoint(name: str, **changes: Any) -> dict[str, Any]:
    return {"name": name, "location": {"volume": "checkpoints", "path": name}, "fingerprint": A} | changes


# --- Reading back ---


@given(requests)
def test_every_request_reads_back_from_its_json_as_it_was(request: contract.Request) -> None:
    text = request.to_json()

    read = contract.REQUEST.validate_json(text)

    assert read == request
    assert read.to_json() == text
    assert "\n" not in text


@given(reports)
def test_every_report_reads_back_from_its_json_as_it_was(report: contract.Report) -> None:
    text = report.to_json()

    read = contract.REPORT.validate_json(text)

    assert read == report
    assert read.to_json() == text
    assert "\n" not in text


@given(requests)
def test_a_request_hash_survives_the_way_through_json(request: contract.Request) -> None:
    def hashes_of(one: contract.Request) -> list[str]:
        if isinstance(one, contract.MergeRequest):
            return [one.hash_of(candidate) for candidate in one.candidates]
        if isinstance(one, contract.EvaluationRequest):
            return [one.hash_of(candidate) for candidate in one.candidates]
        return [one.hash()]

    assert hashes_of(contract.REQUEST.validate_json(request.to_json())) == hashes_of(request)


def test_messages_use_camel_case_and_leave_out_what_is_unset() -> None:
    document = json.loads(merge_request(checkpoints=[checkpoint("one", fingerprint=None)] * 3).to_json())

    assert document["tokenizerFrom"] == "one"
    assert "fingerprint" not in document["checkpoints"][0]


def test_a_merge_by_one_process_names_no_slices() -> None:
    assert "slices" not in json.loads(merge_request().to_json())
    assert json.loads(merge_request(slices=2).to_json())["slices"] == 2


# --- Refusals ---

FAILED_REPORT = {"kind": "merge", "version": 1, "candidate": "a", "requestHash": A}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a field that nobody knows": ({**FAILED_REPORT, "colour": "red"}, "colour"),
    "another version": ({**FAILED_REPORT, "version": 2}, "version"),
    "no version": ({key: FAILED_REPORT[key] for key in ("kind", "candidate", "requestHash")}, "version"),
    "another kind": ({**FAILED_REPORT, "kind": "bake"}, "kind"),
    "a hash that is too short": ({**FAILED_REPORT, "requestHash": "ab"}, "requestHash"),
    "a hash with a line break": ({**FAILED_REPORT, "requestHash": A + "\n"}, "requestHash"),
    "a candidate that leaves its folder": ({**FAILED_REPORT, "candidate": "../x"}, "candidate"),
    "a candidate that is a folder up": ({**FAILED_REPORT, "candidate": ".."}, "candidate"),
    "a candidate with a line break": ({**FAILED_REPORT, "candidate": "a\n"}, "candidate"),
    "a reason that is none": ({**FAILED_REPORT, "failure": {"reason": "Tired", "message": ""}}, "reason"),
}


@pytest.mark.parametrize(("document", "place"), REFUSED.values(), ids=REFUSED)
def test_a_report_is_refused_for(document: dict[str, Any], place: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=place):
        contract.REPORT.validate_json(json.dumps(document))


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_is_not_finite_is_refused(text: str) -> None:
    report = json.dumps({**FAILED_REPORT, "seconds": 0.125}).replace("0.125", text)

    with pytest.raises(pydantic.ValidationError):
        contract.REPORT.validate_json(report)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_cannot_even_be_written(number: float) -> None:
    with pytest.raises(pydantic.ValidationError):
        contract.TaskScore(task="rev", score=number, samples=1)
    with pytest.raises(pydantic.ValidationError):
        contract.Engine(backend="hf", engine_args={"temperature": number})


def test_a_message_cannot_be_changed() -> None:
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        merge_request().candidates[0].keep = True  # type: ignore[misc]


def test_a_candidate_with_too_few_weights_is_refused_with_both_numbers() -> None:
    with pytest.raises(pydantic.ValidationError, match="candidate g0-c1: 2 weights, 3 checkpoints"):
        merge_request(candidates=[{"id": "g0-c1", "weights": [0.5, 0.5]}])


@pytest.mark.parametrize("number", [0, 65])
def test_a_merge_by_no_process_or_by_too_many_is_refused(number: int) -> None:
    with pytest.raises(pydantic.ValidationError, match="slices"):
        merge_request(slices=number)


@pytest.mark.parametrize("field", ["candidates", "tasks"])
def test_an_evaluation_of_nothing_is_refused(field: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=field):
        evaluation_request(**{field: []})


# --- What a merge's hash covers ---

MERGE_CHANGES_NOTHING: dict[str, dict[str, Any]] = {
    "what is removed first": {"prune": ["g9-c9"]},
    "the processes that share it": {"slices": 4},
    "the search's name and UID": {"search": {"name": "other", "uid": "9"}},
    "the candidate's name and whether it is kept": {
        "candidates": [{"id": "other", "weights": [0.25, 0.75, 0.0], "keep": True}]
    },
    "other candidates of the batch": {
        "candidates": [{"id": "g0-c0", "weights": [0.25, 0.75, 0.0]}, {"id": "g0-c1", "weights": [1.0, 0.0, 0.0]}]
    },
    "the fingerprint of a checkpoint with weight 0": {
        "checkpoints": [checkpoint("one"), checkpoint("two", fingerprint=B), checkpoint("three", fingerprint="d" * 64)]
    },
    "the path of a checkpoint with weight 0": {
        "checkpoints": [
            checkpoint("one"),
            checkpoint("two", fingerprint=B),
            checkpoint("three", location={"volume": "elsewhere", "path": "moved"}),
        ]
    },
    "a negative zero as weight": {"candidates": [{"id": "g0-c0", "weights": [0.25, 0.75, -0.0]}]},
}


@pytest.mark.parametrize("changes", MERGE_CHANGES_NOTHING.values(), ids=MERGE_CHANGES_NOTHING)
def test_a_merges_hash_does_not_cover(changes: dict[str, Any]) -> None:
    assert hash_of(merge_request(**changes)) == hash_of(merge_request())


MERGE_CHANGES: dict[str, dict[str, Any]] = {
    "a weight": {"candidates": [{"id": "g0-c0", "weights": [0.25, 0.7500000000000001, 0.0]}]},
    "a weight that leaves 0": {"candidates": [{"id": "g0-c0", "weights": [0.25, 0.75, 5e-324]}]},
    "the order of the weights": {"candidates": [{"id": "g0-c0", "weights": [0.75, 0.25, 0.0]}]},
    "the fingerprint of a checkpoint that is read": {
        "checkpoints": [checkpoint("one", fingerprint="d" * 64), checkpoint("two", fingerprint=B), checkpoint("three")]
    },
    "the path of a checkpoint that is read": {
        "checkpoints": [
            checkpoint("one", location={"volume": "checkpoints", "path": "moved"}),
            checkpoint("two", fingerprint=B),
            checkpoint("three"),
        ]
    },
    "the data type": {"dtype": "float16"},
    "the size of the output's files": {"max_shard_bytes": 2**20},
    "whose tokenizer it carries": {"tokenizer_from": "two"},
}


@pytest.mark.parametrize("changes", MERGE_CHANGES.values(), ids=MERGE_CHANGES)
def test_a_merges_hash_covers(changes: dict[str, Any]) -> None:
    assert hash_of(merge_request(**changes)) != hash_of(merge_request())


@given(merge_requests(), st.lists(ids, max_size=3), st.booleans())
def test_a_candidates_hash_is_the_same_alone_and_in_any_batch(
    request: contract.MergeRequest, prune: list[str], keep: bool
) -> None:
    for candidate in request.candidates:
        changed = candidate.model_copy(update={"keep": keep})
        alone = request.model_copy(update={"candidates": (changed,), "prune": tuple(prune)})
        assert alone.hash_of(changed) == request.hash_of(candidate)


# --- What an evaluation's hash covers ---

TASK = {"name": "rev", "metric": "exact_match", "samples": [{"leaf": "rev", "total": 10, "stop": 5}]}
MODEL = {"volume": "workspace", "path": "x"}
EVALUATION_CHANGES_NOTHING: dict[str, dict[str, Any]] = {
    "the search's name and UID": {"search": {"name": "other", "uid": "9"}},
    "the candidate's name": {"candidates": [{"id": "other", "model": MODEL, "merge_hash": A}]},
    "where a merge lies": {
        "candidates": [{"id": "g0-c0", "model": {"volume": "workspace", "path": "y"}, "merge_hash": A}]
    },
    "other candidates of the batch": {
        "candidates": [
            {"id": "g0-c0", "model": MODEL, "merge_hash": A},
            {"id": "g0-c1", "model": MODEL, "merge_hash": B},
        ]
    },
}


@pytest.mark.parametrize("changes", EVALUATION_CHANGES_NOTHING.values(), ids=EVALUATION_CHANGES_NOTHING)
def test_an_evaluations_hash_does_not_cover(changes: dict[str, Any]) -> None:
    assert hash_of(evaluation_request(**changes)) == hash_of(evaluation_request())


EVALUATION_CHANGES: dict[str, dict[str, Any]] = {
    "the merge": {"candidates": [{"id": "g0-c0", "model": MODEL, "merge_hash": B}]},
    "an input checkpoint instead of a merge": {"candidates": [{"id": "g0-c0", "model": MODEL, "fingerprint": A}]},
    "the split": {"split": "again"},
    "the metric": {"tasks": [{**TASK, "metric": "acc"}]},
    "the filter": {"tasks": [{**TASK, "filter": "strict"}]},
    "the examples in the prompt": {"tasks": [{**TASK, "num_fewshot": 0}]},
    "the chat template": {"tasks": [{**TASK, "chat_template": True}]},
    "the samples": {"tasks": [{**TASK, "samples": [{"leaf": "rev", "total": 10, "stop": 6}]}]},
    "the seed of the samples": {"tasks": [{**TASK, "samples": [{"leaf": "rev", "total": 10, "stop": 5, "seed": 1}]}]},
    "one more task": {"tasks": [TASK, {**TASK, "name": "sort"}]},
    "the backend": {"engine": {"backend": "vllm"}},
    "the engine's data type": {"engine": {"backend": "hf", "dtype": "float32"}},
    "the engine's arguments": {"engine": {"backend": "hf", "engine_args": {"max_model_len": 64}}},
}


@pytest.mark.parametrize("changes", EVALUATION_CHANGES.values(), ids=EVALUATION_CHANGES)
def test_an_evaluations_hash_covers(changes: dict[str, Any]) -> None:
    assert hash_of(evaluation_request(**changes)) != hash_of(evaluation_request())


def test_the_hash_of_an_input_checkpoints_evaluation_covers_its_fingerprint_and_its_path() -> None:
    variants = [
        {"id": "c", "model": {"volume": "checkpoints", "path": path}, "fingerprint": fingerprint}
        for path in ("x", "y")
        for fingerprint in (A, B, None)
    ]

    assert len({hash_of(evaluation_request(candidates=[variant])) for variant in variants}) == len(variants)


def test_merges_and_evaluations_never_share_a_hash() -> None:
    assert hash_of(merge_request()) != hash_of(evaluation_request())


# --- Digests ---


def test_a_digest_is_the_sha256_of_the_canonical_json() -> None:
    assert contract.digest("a", 1, [0.1]) == hashlib.sha256(b'["a",1,[0.1]]').hexdigest()
    assert contract.digest({"b": 1, "a": 2}) == contract.digest({"a": 2, "b": 1})


def test_a_digest_of_something_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        contract.digest(float("nan"))


# --- Samples ---

PERMUTATIONS = {
    "seed 0": (0, "rev", 8, [1, 5, 7, 4, 6, 2, 3, 0]),
    "seed 1": (1, "rev", 8, [5, 7, 0, 6, 2, 1, 3, 4]),
    "another leaf": (0, "sort", 8, [1, 4, 7, 0, 6, 5, 2, 3]),
    "a leaf beyond ASCII": (0, "größe", 5, [2, 0, 3, 1, 4]),
    "one document": (7, "rev", 1, [0]),
}


@pytest.mark.parametrize(("seed", "leaf", "total", "order"), PERMUTATIONS.values(), ids=PERMUTATIONS)
def test_the_permutation_of_a_leaf_is_the_same_in_every_release(
    seed: int, leaf: str, total: int, order: list[int]
) -> None:
    assert contract.permutation(seed, leaf, total) == order


@given(st.integers(0, 2**31), texts, st.integers(1, 300))
def test_a_permutation_holds_every_document_once(seed: int, leaf: str, total: int) -> None:
    assert sorted(contract.permutation(seed, leaf, total)) == list(range(total))


@given(selections())
def test_the_indices_of_a_selection_ascend_and_are_as_many_as_it_says(selection: contract.SampleSelection) -> None:
    indices = selection.indices()

    assert list(indices) == sorted(set(indices))
    assert len(indices) == selection.stop - selection.start > 0
    assert 0 <= indices[0] <= indices[-1] < selection.total


@given(st.integers(2, 300), st.data(), st.none() | st.integers(0, 2**31))
def test_search_samples_and_unseen_samples_share_nothing_and_leave_nothing(
    total: int, data: st.DataObject, seed: int | None
) -> None:
    cut = data.draw(st.integers(1, total - 1))
    search = contract.SampleSelection(leaf="rev", total=total, stop=cut, seed=seed)
    unseen = contract.SampleSelection(leaf="rev", total=total, start=cut, stop=total, seed=seed)

    assert set(search.indices()).isdisjoint(unseen.indices())
    assert {*search.indices(), *unseen.indices()} == set(range(total))


def test_without_a_seed_the_files_order_counts() -> None:
    assert contract.SampleSelection(leaf="rev", total=10, start=2, stop=5).indices() == (2, 3, 4)


EMPTY = {"no samples": (3, 3), "backwards": (5, 3), "past the end": (0, 11), "after the end": (10, 12)}


@pytest.mark.parametrize(("start", "stop"), EMPTY.values(), ids=EMPTY)
def test_a_selection_outside_its_leaf_is_refused_with_the_numbers(start: int, stop: int) -> None:
    with pytest.raises(pydantic.ValidationError, match=rf"rev: samples {start}\.\.{stop} .* its 10 documents"):
        contract.SampleSelection(leaf="rev", total=10, start=start, stop=stop)
