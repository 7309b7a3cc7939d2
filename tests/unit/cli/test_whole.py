"""What every status has at every moment of a search, and what is said of one that has it not."""

import contextlib
import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from mergesearch.api.resource import MergeSearch
from mergesearch.errors import GiveUpError, InvalidManifestError
from mergesearch_cli import source, whole
from mergesearch_cli.state import StateFolder
from unit.report import histories
from unit.report.histories import History


@pytest.fixture(scope="module")
def history() -> History:
    return histories.run(histories.manifest(maxEvaluations=4))


@pytest.fixture(scope="module")
def complete(history: History) -> dict[str, Any]:
    return histories.with_status(history.resource, history.end).to_document()


def setting(*path: str | int, to: object = None) -> Callable[[dict[str, Any]], None]:
    """Another value at a place of the document; without one the place is removed."""

    def change(document: dict[str, Any]) -> None:
        *parents, last = path
        at: Any = document
        for step in parents:
            at = at[step]
        if to is None:
            del at[last]
        else:
            at[last] = to

    return change


def status(*path: str | int, to: object = None) -> Callable[[dict[str, Any]], None]:
    return setting("status", *path, to=to)


BROKEN: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "no base64": (
        status("candidates", 2, "x", to="AAAAA"),
        "status.candidates[2].x of c0003 cannot be decoded: Invalid base64-encoded string: number of data characters "
        "(5) cannot be 1 more than a multiple of 4",
    ),
    "no whole numbers": (
        status("candidates", 2, "x", to="AAAA"),
        "status.candidates[2].x of c0003 cannot be decoded: 3 bytes are no whole number of float32 values",
    ),
    "a vector with too few numbers": (
        status("candidates", 2, "x", to="AAAAAA=="),
        "status.candidates[2].x of c0003 holds 1 number; the search has 4 checkpoints",
    ),
    "no vector": (
        status("candidates", 2, "x"),
        "status.candidates[2], c0003, does not say what it is made of",
    ),
    "no members": (
        status("baselines", 5, "members"),
        "status.baselines[5], uniform, does not say what it is made of",
    ),
    "a checkpoint that is not there": (
        status("baselines", 5, "members", to=[0, 4]),
        "status.baselines[5].members of uniform is 0, 4; the search has 4 checkpoints",
    ),
    "a score too few": (
        status("candidates", 0, "scores", 1),
        "status.candidates[0].scores of c0001 has 1 for 2 tasks",
    ),
    "no scores": (status("baselines", 1, "scores"), "status.baselines[1].scores of checkpoint-m-1 has 0 for 2 tasks"),
    "an error too few": (status("baselines", 1, "errors", 0), "status.baselines[1].errors of checkpoint-m-1 has 1 for"),
    "a confirmation without the held-out task": (
        status("confirmations", 0, "scores", 2),
        "has 2 for 3 tasks",
    ),
    "no fitness": (status("candidates", 0, "fitness"), "status.candidates[0], c0001, is scored and has no fitness"),
    "a confirmation of nothing": (
        status("confirmations", 1, "id", to="c0099"),
        "status.confirmations[1] is of c0099, which is no baseline or candidate of the status",
    ),
    "a best candidate that is not there": (
        status("best", "id", to="c0099"),
        "status.best is of c0099, which is no baseline or candidate of the status",
    ),
    "a winner that is not there": (
        status("confirmed", "id", to="c0099"),
        "status.confirmed is of c0099, which is no baseline or candidate of the status",
    ),
    "a gain over nothing": (
        status("confirmed", "gains", 0, "baseline", to="merge-worst"),
        "status.confirmed.gains[0] is of merge-worst, which is no baseline or candidate of the status",
    ),
    "a better choice that is not there": (
        status("confirmed", "better", to={"id": "merge-worst"}),
        "status.confirmed.better is of merge-worst, which is no baseline or candidate of the status",
    ),
    "a front with a stranger": (
        status("pareto", to=["c0001", "c0099"]),
        "status.pareto is of c0099, which is no baseline or candidate of the status",
    ),
    "fewer candidates than are counted": (
        status("candidates", 3),
        "status.counts knows 4 candidates, status.candidates holds 3",
    ),
    "no algorithm": (status("algorithm"), "status.algorithm is missing beside 4 candidates"),
    "a fingerprint too few": (
        status("preflight", "fingerprints", 0),
        "status.preflight.fingerprints has 3 for 4 checkpoints",
    ),
    "a task too few": (status("preflight", "tasks", 2), "status.preflight.tasks is of a and b, the spec of a, b and h"),
    "a task without leaves": (
        status("preflight", "tasks", 0, "leaves", to=[]),
        "status.preflight.tasks: spec.objective.tasks[0]: a has no documents; at least 2 are needed",
    ),
    "a leaf below 0": (
        status("preflight", "tasks", 2, "leaves", 0, "total", to=-1),
        "status.preflight.tasks has a leaf with fewer than 0 documents",
    ),
    "no phase": (
        status("phase"),
        "status.phase is Preflight or missing, and status.completionTime 2026-01-01 00:",
    ),
    "no start": (status("startTime"), "status.startTime is missing"),
    "no conditions": (status("conditions"), "status.conditions is empty, though there are records"),
    "a name of two lines": (
        setting("metadata", "name", to="a\nb"),
        "metadata.name is 'a\\nb', which holds more than letters and signs",
    ),
}


def told(read: Callable[[Path], object], path: Path, kind: type[GiveUpError]) -> str:
    with pytest.raises(GiveUpError) as caught:
        read(path)
    assert type(caught.value) is kind
    assert "\n" not in caught.value.message
    return caught.value.message


@pytest.mark.parametrize(("broken", "words"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_not_whole_is_told_with_its_place_in_a_document_and_in_a_state_folder(
    complete: dict[str, Any], broken: Callable[[dict[str, Any]], None], words: str, tmp_path: Path
) -> None:
    document = copy.deepcopy(complete)
    broken(document)
    file, kept = tmp_path / "status.yaml", tmp_path / "search.json"
    file.write_text(yaml.safe_dump(document))
    kept.write_text(json.dumps(document))
    from_file = told(source.read, file, InvalidManifestError)
    name = document["metadata"]["name"]
    assert from_file.startswith(f"{file}: search {name!r}: seems to be cut off or changed: ")
    assert words in from_file
    assert from_file.endswith("`kubectl get mergesearch NAME -o yaml` prints one")
    for read in (source.read, lambda folder: StateFolder(folder).read()):
        from_folder = told(read, tmp_path, GiveUpError)
        assert from_folder.startswith(f"{kept}: damaged: ")
        assert words in from_folder
        assert from_folder.endswith("restore it, or give another --state to begin anew")


DUE = {
    "preflightDue": (
        "status.preflightDue is missing or holds PreflightCheckpoints and PreflightTasks in the phase Searching"
    ),
    "phase": "status.phase is Preflight or missing, and nothing of the preflight is due",
}


@pytest.mark.parametrize("field", DUE)
def test_the_phase_and_what_is_due_of_the_preflight_agree(field: str, history: History) -> None:
    searching = histories.with_status(history.resource, history.first(lambda now: now.phase == "Searching"))
    document = searching.to_document()
    del document["status"][field]
    assert whole.lacking(MergeSearch.model_validate(document)) == DUE[field]


def test_what_kubectl_prints_is_not_taken_for_a_search_wherever_it_is_cut(
    complete: dict[str, Any], tmp_path: Path
) -> None:
    """It prints the fields by name: the status at last, and at its end the version, which may be missing."""
    complete = complete | {"status": {name: value for name, value in complete["status"].items() if name != "version"}}
    lines = yaml.safe_dump(complete).splitlines(keepends=True)
    begin = lines.index("status:\n") + 2
    assert len(lines) - begin > 200
    taken = []
    for end in range(begin, len(lines)):
        file = tmp_path / "cut.yaml"
        file.write_text("".join(lines[:end]))
        with contextlib.suppress(InvalidManifestError):
            taken.append((end, source.read(file)))
    assert taken == []


def test_every_moment_of_a_search_is_whole(history: History) -> None:
    every = [histories.with_status(history.resource, now) for now in history.statuses]
    assert len(every) >= 10
    assert [found for found in map(whole.lacking, [history.resource, *every]) if found] == []


TIMES: dict[str, tuple[tuple[str | int, ...], str]] = {
    "without a zone": (("baselines", 1, "startedAt"), "2026-01-01T00:00:20"),
    "a day": (("startTime",), "2026-01-01"),
    "no day": (("startTime",), "2020-13-45"),
}


@pytest.mark.parametrize(("path", "time"), TIMES.values(), ids=TIMES.keys())
def test_a_time_has_a_zone(complete: dict[str, Any], path: tuple[str | int, ...], time: str, tmp_path: Path) -> None:
    """Unquoted, too, where a loader of YAML would make a day of it, or end with an error of its own."""
    document = copy.deepcopy(complete)
    status(*path, to=time)(document)
    words = f'status.{".".join(map(str, path))} is "{time}", not a time with its zone, such as 2026-01-31T12:00:00Z'
    text = yaml.safe_dump(document)
    for form, written in (("quoted", text), ("unquoted", text.replace(f"'{time}'", time))):
        file = tmp_path / f"{form}.yaml"
        file.write_text(written)
        message = told(source.read, file, InvalidManifestError)
        assert message == (
            f"{file}: search 'quick': not understood by this release, or cut off: {words}; "
            "`kubectl get mergesearch NAME -o yaml` prints one"
        )
    (tmp_path / "search.json").write_text(json.dumps(document))
    assert f"not understood by this release: {words}. Use" in told(source.read, tmp_path, GiveUpError)
