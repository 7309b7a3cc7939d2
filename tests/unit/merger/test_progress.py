"""What a merge says of itself while it works: lines that tools can read, or a bar on a terminal."""

import pytest

from mergesearch_merger import progress

GIB = 2**30


def test_a_line_gives_bytes_rate_and_the_time_that_is_left() -> None:
    said = progress.line(GIB, 4 * GIB, 2.0)

    fields = dict(part.split("=") for part in said.split()[1:])
    assert fields == {
        "done": str(GIB),
        "total": str(4 * GIB),
        "percent": "25",
        "bytes_per_second": str(GIB // 2),
        "eta_seconds": "6",
    }


def test_nothing_is_known_before_the_first_byte() -> None:
    assert progress.line(0, GIB, 2.0).endswith("bytes_per_second=0 eta_seconds=unknown")
    assert "left" not in progress.bar(0, GIB, 2.0)


def test_a_bar_is_as_full_as_the_work_is_done() -> None:
    drawn = progress.bar(GIB, 2 * GIB, 4.0)

    assert drawn.count("#") == drawn.split("]")[0].count(".") == progress.BAR_CHARACTERS // 2
    assert "50%  1.0 of 2.0 GiB, 256 MiB/s, 4 s left" in drawn


class Ticks:
    """A clock that a test winds on."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_meter_speaks_every_few_seconds_only() -> None:
    said: list[str] = []
    clock = Ticks()
    meter = progress.Meter(100, lambda: int(clock.now), said.append, bar=False, clock=clock)

    for second in range(1, 12):
        clock.now = float(second)
        meter.watch()
    meter.end()

    assert [line.split()[1] for line in said] == ["done=5", "done=10"]


def test_a_bar_is_drawn_over_itself_and_wiped_off(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Ticks()
    meter = progress.Meter(100, lambda: 50, lambda _line: None, bar=True, clock=clock)
    for second in range(1, 4):
        clock.now = float(second)
        meter.watch()
    meter.end()

    drawn = capsys.readouterr().err
    assert drawn.count("\r[") == 3
    assert drawn.endswith("\r\033[K")
