"""The command as a person runs it: killed, run again, run once more."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import train_family
from family import recipe

NAMES = [recipe.BASE, *(run.name for run in recipe.default().tunes)]


def _command(out: Path) -> list[str]:
    return [sys.executable, train_family.__file__, "--out", str(out), "--scale", "0.005", "--workers", "1"]


@pytest.mark.slow
def test_killed_and_run_again_it_goes_on_and_then_finds_all_done(tmp_path: Path) -> None:
    first = subprocess.Popen(_command(tmp_path), start_new_session=True, stdout=subprocess.DEVNULL)
    while not (tmp_path / "base").exists():
        assert first.poll() is None, "the command ended before the base was there"
        time.sleep(0.02)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    weights = tmp_path / "base" / "model.safetensors"
    base = (weights.stat().st_ino, weights.stat().st_mtime_ns)

    again = subprocess.run(_command(tmp_path), capture_output=True, text=True, check=True)
    assert "base: already there" in again.stdout
    assert "reverse-next: trained" in again.stdout
    assert (weights.stat().st_ino, weights.stat().st_mtime_ns) == base
    assert sorted(path.name for path in tmp_path.iterdir() if path.name[0] != ".") == sorted(NAMES)

    once_more = subprocess.run(_command(tmp_path), capture_output=True, text=True, check=True)
    assert once_more.stdout.count("already there") == len(NAMES)
    assert "0 checkpoints trained" in once_more.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param([], "--out", id="no folder"),
        pytest.param(["--out", "x", "--workers", "0"], "must be at least 1, not 0", id="no workers"),
        pytest.param(["--out", "x", "--scale", "-1"], "must be a number above 0, not -1", id="negative scale"),
        pytest.param(["--out", "x", "--seed", "a"], "invalid int value: 'a'", id="a seed that is no number"),
    ],
)
def test_wrong_arguments_say_what_is_allowed(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        train_family.main(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_a_folder_in_the_way_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "swap").mkdir()
    assert train_family.main(["--out", str(tmp_path)]) == 1
    assert f"train_family: {tmp_path}/swap exists but holds no readable training.json" in capsys.readouterr().err
