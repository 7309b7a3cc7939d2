"""Building the family: nothing is trained twice, nothing half-written is taken for whole, whatever ends a run."""

import dataclasses
import fcntl
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from family import build, progress, recipe, writing
from unit.quickstart import stand_in

FAMILY = recipe.default()
ALL = [FAMILY.base.name, *(run.name for run in FAMILY.tunes)]
LIGHT = build.Work(stand_in.train, stand_in.warm)


@dataclasses.dataclass
class Notes:
    """A display that remembers what it was told."""

    cached_names: list[str] = dataclasses.field(default_factory=list)
    moved_names: list[str] = dataclasses.field(default_factory=list)
    written_names: list[str] = dataclasses.field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def cached(self, run: recipe.Run) -> None:
        self.cached_names.append(run.name)

    def moved(self, run: recipe.Run, event: progress.Progress) -> None:
        assert event.step == run.steps
        self.moved_names.append(run.name)

    def written(self, run: recipe.Run) -> None:
        self.written_names.append(run.name)


def _build(out: Path, work: build.Work = LIGHT, *, seed: int = 0, family: recipe.Recipe = FAMILY) -> list[str]:
    return build.build(family, out, seed=seed, workers=2, display=Notes(), work=work)


def test_the_base_comes_first_and_every_checkpoint_is_trained_and_shown_once(tmp_path: Path) -> None:
    notes = Notes()
    trained = build.build(FAMILY, tmp_path / "new" / "family", seed=0, workers=2, display=notes, work=LIGHT)
    log = (tmp_path / "new" / "family" / "trained.log").read_text().split()
    assert trained == ALL
    assert log[0] == FAMILY.base.name
    assert sorted(log) == sorted(notes.moved_names) == sorted(notes.written_names) == sorted(ALL)
    assert not notes.cached_names


def test_a_finished_family_is_not_trained_again(tmp_path: Path) -> None:
    _build(tmp_path)
    notes = Notes()
    assert build.build(FAMILY, tmp_path, seed=0, workers=2, display=notes, work=LIGHT) == []
    assert notes.cached_names == ALL
    assert len((tmp_path / "trained.log").read_text().split()) == len(ALL)


def test_only_what_a_changed_recipe_touches_is_trained_again(tmp_path: Path) -> None:
    _build(tmp_path)
    before = (tmp_path / "sort" / "weights").read_text()
    tunes = tuple(dataclasses.replace(run, steps=7) if run.name == "sort" else run for run in FAMILY.tunes)
    assert _build(tmp_path, family=dataclasses.replace(FAMILY, tunes=tunes)) == ["sort"]
    assert (tmp_path / "sort" / "weights").read_text() != before


def test_another_seed_replaces_the_whole_family(tmp_path: Path) -> None:
    _build(tmp_path)
    assert _build(tmp_path, seed=1) == ALL
    assert not list(tmp_path.glob(".unfinished-*"))


def test_a_worker_killed_while_it_writes_leaves_nothing_that_looks_finished(tmp_path: Path) -> None:
    with pytest.raises(build.WorkerDiedError, match="run the same command again"):
        _build(tmp_path, build.Work(stand_in.die_half_way, stand_in.warm))
    assert [path.name for path in tmp_path.iterdir() if (path / "weights").exists() and path.name in ALL] == ["base"]
    assert list(tmp_path.glob(".unfinished-*"))
    assert _build(tmp_path) == ALL[1:]
    assert not list(tmp_path.glob(".unfinished-*"))


def test_a_failing_run_is_reported_as_what_it_is_and_the_next_run_goes_on(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="sort checkpoint cannot be trained"):
        _build(tmp_path, build.Work(stand_in.fail_on_sort, stand_in.warm))
    again = _build(tmp_path)
    assert "sort" in again
    assert "base" not in again


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "sort").mkdir()
    (tmp_path / "sort" / "thesis.txt").write_text("irreplaceable")
    with pytest.raises(writing.ForeignFolderError, match=r"sort exists but holds no readable training\.json"):
        _build(tmp_path)
    assert (tmp_path / "sort" / "thesis.txt").read_text() == "irreplaceable"
    assert not (tmp_path / "base").exists()


def test_two_builds_of_one_folder_do_not_mix(tmp_path: Path) -> None:
    with (tmp_path / build.LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(build.BusyError, match="another process"):
            _build(tmp_path)
    assert _build(tmp_path) == ALL
