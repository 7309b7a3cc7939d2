"""What may be said to `mergesearch-merger plan`, and how its table reads."""

import json
import re
from pathlib import Path

import pytest

from mergesearch.errors import ExitCode
from mergesearch_merger import estimate, layout, plan_command, slices
from unit.merger import scenes, sizing_page
from unit.merger.scenes import Scene

MACHINE = ("--memory", "1G", "--cpus", "4")

REFUSED: dict[str, tuple[list[str], str]] = {
    "very small files": (
        ["--parameters", "8B", "--max-shard-size", "1023"],
        "'1023' is less than 1Ki, the least that a merge is written in",
    ),
    "a number of folders that are given": (["a", "b", "--checkpoints", "2"], "--checkpoints cannot be said of folders"),
    "the same between the folders": (["a", "--checkpoints", "3", "b"], "--checkpoints cannot be said of folders"),
    "a data type of folders": (["a", "b", "--input-dtype", "bfloat16"], "--input-dtype cannot be said of folders"),
    "one folder": (["a"], "one checkpoint alone cannot be merged with anything"),
    "one checkpoint": (["--parameters", "8B", "--checkpoints", "1"], "one checkpoint alone cannot be merged"),
    "a unit of bytes": (["--parameters", "70GB"], "'70GB' is not a whole number from 1 to 1,000,000,000,000,000"),
    "no number": (["--parameters", "nan"], "'nan' is not a whole number"),
    "a fraction": (["--parameters", "0.0000000001B"], "'0.0000000001B' is not a whole number"),
}


@pytest.mark.parametrize(("argv", "told"), REFUSED.values(), ids=REFUSED)
def test_what_would_mean_nothing_is_refused(argv: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        plan_command.main([*argv, *MACHINE])

    assert ended.value.code == 2
    assert told in capsys.readouterr().err


NUMBERS = {
    "70B": 70 * 10**9,
    "7b": 7 * 10**9,
    "70.6B": 706 * 10**8,
    "8.03e9": 803 * 10**7,
    "560M": 560 * 10**6,
    "1T": 10**12,
    "7": 7,
}


@pytest.mark.parametrize(("text", "elements"), NUMBERS.items(), ids=NUMBERS)
def test_parameters_may_be_given_as_models_are_named(
    text: str, elements: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plan_command.main(["--parameters", text, *MACHINE, "--json"]) == ExitCode.DONE

    assert json.loads(capsys.readouterr().out)["elements"] == elements


def test_options_may_stand_between_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scene: Scene = scenes.a_scene(tmp_path)
    one, two, three = (str(scene.checkpoints / name) for name in "abc")

    assert plan_command.main([one, "--candidates", "3", two, "--json", three, *MACHINE]) == ExitCode.DONE

    assert json.loads(capsys.readouterr().out)["checkpoints"] == 3


def cells(capsys: pytest.CaptureFixture[str], *argv: str) -> list[list[str]]:
    plan_command.main([*argv])
    lines = capsys.readouterr().out.splitlines()
    return [re.split(r"  +", line.strip()) for line in lines[lines.index("") + 2 :]]


def test_sizes_have_three_digits_and_the_units_of_the_bandwidths(capsys: pytest.CaptureFixture[str]) -> None:
    (one, eight) = cells(capsys, "--parameters", "8.03B", "--checkpoints", "4", "--slices", "1", *MACHINE)

    assert one[:4] == ["1 merge", "64.2 GB", "16.1 GB", "16.1 GB"]
    assert eight[:4] == ["8 merges", "64.2 GB", "128 GB", "128 GB"]


ROUNDED = {
    999: "999 B",
    1000: "1.00 kB",
    9_996: "10.0 kB",
    99_960: "100 kB",
    999_600: "1.00 MB",
    52 * 10**15: "52.0 PB",
}


@pytest.mark.parametrize(("count", "text"), ROUNDED.items(), ids=ROUNDED.values())
def test_a_size_that_is_rounded_takes_the_next_unit(count: int, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    plan_command.main(["--parameters", "7", "--write-bandwidth", "1G", "--memory", str(count), "--cpus", "1"])

    assert f" 1 processor, {text} of memory, " in capsys.readouterr().out


def test_seconds_below_ten_have_a_fraction_and_others_none(capsys: pytest.CaptureFixture[str]) -> None:
    (one, eight) = cells(capsys, "--parameters", "1B", "--slices", "1", "--memory", "1G", "--cpus", "1000")

    assert (one[-2:], eight[-2:]) == (["4.0", "4.0"], ["16", "2.0"])


def test_a_merge_that_has_too_little_memory_takes_no_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    for row in cells(capsys, "--parameters", "8B", "--memory", "10M", "--cpus", "1"):
        assert row[-3:] == ["too little", "-", "-"]


def test_the_least_memory_that_is_told_is_enough(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--parameters", "8B", "--checkpoints", "16", "--slices", "1", "--cpus", "8"]
    assert plan_command.main([*argv, "--memory", "10M"]) == ExitCode.INVALID_REQUEST
    (_, least) = re.findall(r"at least (\d+) MB\n", capsys.readouterr().err)

    assert plan_command.main([*argv, "--memory", f"{least}M"]) == ExitCode.DONE
    assert plan_command.main([*argv, "--memory", f"{int(least) - 1}M"]) == ExitCode.INVALID_REQUEST


def test_of_more_slices_than_files_it_says_how_many_work(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--parameters", "8B", *MACHINE, "--slices", "4"]

    names = [row[0] for row in cells(capsys, *argv)]
    assert names == ["1 merge", "8 merges", "1 merge in 4 slices (3 work)", "8 merges in 4 slices (3 work)"]
    assert cells(capsys, *argv, "--max-shard-size", "1Gi")[2][0] == "1 merge in 4 slices"

    plan_command.main([*argv, "--json"])
    assert [one["workingSlices"] for one in json.loads(capsys.readouterr().out)["passes"]] == [1, 1, 3, 3]


class Counting(layout.Layout):
    """Counts how often all shards are summed."""

    sums = 0

    @property
    def size(self) -> int:
        Counting.sums += 1
        return super().size


def test_the_shards_of_slices_are_summed_once_for_all_of_them() -> None:
    """Once for each shard takes minutes for the largest plan that is allowed."""
    many = Counting(estimate.of_numbers(10**6, 2, "BF16", "BF16", 2000).layout.shards)

    assert len(set(slices.owners(many, 64))) == 64
    assert Counting.sums == 1


def test_the_sizing_page_tells_a_least_memory_that_is_enough(capsys: pytest.CaptureFixture[str]) -> None:
    told = re.findall(r"(\d+) MB for (\d+) merges? of (\d+)", sizing_page.render())

    assert len(told) == 3
    for least, candidates, checkpoints in told:
        argv = ["--parameters", "8B", "--checkpoints", checkpoints, "--candidates", candidates, "--cpus", "8"]
        assert plan_command.main([*argv, "--memory", f"{least}M"]) == ExitCode.DONE
        assert plan_command.main([*argv, "--memory", f"{int(least) - 1}M"]) == ExitCode.INVALID_REQUEST
