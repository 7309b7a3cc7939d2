"""What people say on the merger's command line and in its environment."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from mergesearch_merger import machine, settings
from mergesearch_merger.settings import Settings


def read(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    return settings.of(settings.options().parse_args(arguments), environment)


def test_by_default_a_merge_uses_all_processors_and_half_of_the_memory() -> None:
    found = read([], {})

    assert found.threads == machine.cpus()
    assert found.memory_bytes == machine.memory_bytes() // 2
    assert (found.device, found.verify, found.drop_cache, found.slice) == ("cpu", False, False, None)


def test_the_environment_says_the_same_as_the_command_line() -> None:
    environment = {
        "MERGESEARCH_MERGER_THREADS": "3",
        "MERGESEARCH_MERGER_MEMORY": "1.5Gi",
        "MERGESEARCH_MERGER_DEVICE": "cuda",
        "MERGESEARCH_MERGER_VERIFY": "1",
        "MERGESEARCH_MERGER_DROP_CACHE": "1",
        "JOB_COMPLETION_INDEX": "2",
    }
    arguments = ["--threads", "3", "--memory", "1536Mi", "--device", "cuda", "--verify", "--drop-cache"]
    expected = Settings(threads=3, memory_bytes=3 * 2**29, device="cuda", verify=True, drop_cache=True, slice=(2, None))

    assert read([], environment) == expected
    assert read([*arguments, "--slice", "2/4"], {}) == replace(expected, slice=(2, 4))


def test_the_command_line_wins() -> None:
    environment = {"MERGESEARCH_MERGER_THREADS": "3", "JOB_COMPLETION_INDEX": "2"}

    found = read(["--threads", "5", "--slice", "1/2", "--verify", "--drop-cache"], environment)

    assert (found.threads, found.slice, found.verify, found.drop_cache) == (5, (1, 2), True, True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1", 1), ("512Mi", 2**29), ("2G", 2 * 10**9), ("0.5k", 500), ("1.5Ti", 3 * 2**39)],
)
def test_sizes_are_written_as_for_kubernetes(text: str, expected: int) -> None:
    assert settings.size(text) == expected


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--memory", "much"),
        ("--memory", "0"),
        ("--memory", "1i"),
        ("--memory", "-1Gi"),
        ("--threads", "0"),
        ("--threads", "two"),
        ("--slice", "1"),
        ("--slice", "2/2"),
        ("--slice", "-1/2"),
        ("--device", "tpu"),
    ],
)
def test_what_cannot_be_read_on_the_command_line_is_refused(
    option: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        read([f"{option}={text}"], {})
    assert f"{option}: " in (said := capsys.readouterr().err)
    assert repr(text) in said


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("MERGESEARCH_MERGER_THREADS", "many"),
        ("MERGESEARCH_MERGER_MEMORY", "lots"),
        ("MERGESEARCH_MERGER_DEVICE", "tpu"),
        ("MERGESEARCH_MERGER_VERIFY", "yes"),
        ("MERGESEARCH_MERGER_DROP_CACHE", "2"),
        ("JOB_COMPLETION_INDEX", "first"),
    ],
)
def test_what_cannot_be_read_in_the_environment_is_refused_with_its_name(variable: str, text: str) -> None:
    with pytest.raises(ValueError, match=rf"\${variable}.*'{text}'"):
        read([], {variable: text})


@pytest.mark.parametrize(
    ("cache_kib", "tile_kib"), [(0, 128), (256, 32), (512, 32), (1024, 64), (1280, 80), (2048, 128), (16384, 128)]
)
def test_a_tile_with_its_sums_takes_half_of_a_cache(cache_kib: int, tile_kib: int) -> None:
    assert settings.tile_bytes(cache_kib * 2**10) == tile_kib * 2**10


def test_tiles_are_made_for_the_processors_that_are_here() -> None:
    assert read([], {}).tile_bytes == settings.tile_bytes(machine.level2_cache_bytes())
