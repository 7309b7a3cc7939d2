"""Turns what was measured into Markdown: medians, ratios, and which goals they meet. Pure."""

import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from merge import records
from merge.records import Accuracy, Run, Start

SPEED_GOAL = 5.0
BATCH_GOAL = 8.0
SPEED_INPUTS = (4, 8)
MEMORY_GOAL = 0.25
MEMORY_INPUTS = 8
FLAT_GOAL = 0.1
FLOOR_GOAL = 1.3
BYTES_GOAL = 0.02
"""Beyond the weights, a process reads its own code, configs and headers, and writes configs and its report."""
ERROR_GOAL = 0.003
SCALE_GOAL = 1e-5
"""Far above what a few elements rounded to the other side do, far below half a last place of bf16, 2^-9."""


@dataclass(frozen=True)
class Case:
    """All rounds of one tool on the same inputs in the same state of the cache."""

    runs: tuple[Run, ...]

    @property
    def key(self) -> tuple[str, int, int, str]:
        """What tells it from others: cache, bytes of a model, inputs, tool."""
        one = self.runs[0]
        return one.cache, one.model_bytes, one.inputs, one.tool

    @property
    def each(self) -> float:
        """Median seconds per candidate."""
        return statistics.median(run.each for run in self.runs)

    @property
    def peak(self) -> int:
        """The most resident bytes of any round."""
        return max(run.peak_bytes for run in self.runs)

    def median(self, name: str) -> float:
        """Of a field of the runs."""
        return float(statistics.median(getattr(run, name) for run in self.runs))

    @property
    def input_bytes(self) -> int:
        """Of all inputs once."""
        return self.runs[0].model_bytes * self.runs[0].inputs

    @property
    def output_bytes(self) -> int:
        """Of all outputs once."""
        return self.runs[0].model_bytes * self.runs[0].candidates


@dataclass(frozen=True)
class Goal:
    """A figure and whether it is good enough."""

    figure: str
    goal: str
    found: str
    met: bool


Cases = dict[tuple[str, int, int, str], Case]


def cases(runs: Iterable[Run]) -> Cases:
    """Rounds of the same put together; those that others disturbed are left out where there are better ones."""
    found: dict[tuple[str, int, int, str], list[Run]] = {}
    for run in runs:
        found.setdefault(Case((run,)).key, []).append(run)
    quiet = {key: [run for run in group if run.others_share <= records.DISTURBED_SHARE] for key, group in found.items()}
    return {key: Case(tuple(quiet[key] or group)) for key, group in found.items()}


def render(runs: Sequence[Run], accuracies: Sequence[Accuracy], starts: Sequence[Start]) -> str:
    """Everything, goals first."""
    together = cases(runs)
    parts = [_goals([*speed_goals(together), *memory_goals(together), *byte_goals(together), *error_goals(accuracies)])]
    ordered = sorted(together, key=lambda key: (key[0] != records.WARM, key[1], key[2]))
    for (state, size), keys in groupby(ordered, key=lambda key: key[:2]):
        parts.append(_runs(state, size, [together[key] for key in keys], together))
    if accuracies:
        parts.append(_accuracies(accuracies))
    if starts:
        parts.append(_starts(starts))
    return "\n\n".join(parts) + "\n"


# --- Goals ---


def speed_goals(together: Cases) -> Iterator[Goal]:
    """Against mergekit and against the floor, in every state of the cache."""
    for tool, goal, numbers in (
        (records.OURS, SPEED_GOAL, SPEED_INPUTS),
        (records.OURS_BATCH, BATCH_GOAL, SPEED_INPUTS),
    ):
        for (state, size, number, _), case in _of(together, tool):
            for peer in records.PEERS:
                beside = together.get((state, size, number, peer))
                if beside is not None and number in numbers:
                    ratio = beside.each / case.each
                    figure = f"{tool}: wall per candidate against {peer}, N = {number}, {state}"
                    yield Goal(figure, f">= {goal:g}x", f"{ratio:.1f}x", ratio >= goal)
    for tool, floor in ((records.OURS, records.FLOOR), (records.OURS_BATCH, records.FLOOR_BATCH)):
        for (state, size, number, _), case in _of(together, tool):
            beside = together.get((state, size, number, floor))
            if beside is not None:
                ratio = case.each / beside.each
                figure = f"{tool}: wall against the floor, N = {number}, {state}"
                yield Goal(figure, f"<= {FLOOR_GOAL:g}", f"{ratio:.2f}", ratio <= FLOOR_GOAL)


def memory_goals(together: Cases) -> Iterator[Goal]:
    """A fraction of mergekit's, and the same for all inputs and models."""
    mine = list(_of(together, records.OURS))
    for (state, size, number, _), case in mine:
        for peer in records.PEERS:
            beside = together.get((state, size, number, peer))
            if beside is not None and number == MEMORY_INPUTS:
                ratio = case.peak / beside.peak
                figure = f"peak RSS against {peer}, N = {number}, {state}"
                yield Goal(figure, f"<= {MEMORY_GOAL:g}", f"{ratio:.3f}", ratio <= MEMORY_GOAL)
    peaks = [case.peak for _, case in mine]
    if len(peaks) > 1:
        spread = max(peaks) / min(peaks) - 1.0
        what = sorted({f"{number} x {_giga(size)}" for (_, size, number, _), _ in mine}, key=len)
        figure = f"peak RSS, largest over smallest of {', '.join(what)}"
        yield Goal(figure, f"within {FLAT_GOAL:.0%}", f"{spread:.1%}", spread <= FLAT_GOAL)


def byte_goals(together: Cases) -> Iterator[Goal]:
    """Inputs once, output once."""
    for tool in (records.OURS, records.OURS_BATCH):
        found = [case for _, case in _of(together, tool)]
        if found:
            for what, name, whole in (("read", "rchar", "input_bytes"), ("written", "wchar", "output_bytes")):
                worst = max((case.median(name) / getattr(case, whole) for case in found), key=lambda x: abs(x - 1.0))
                figure = f"{tool}: bytes {what}, the case that is farthest off"
                met = abs(worst - 1.0) <= BYTES_GOAL
                yield Goal(figure, f"once, within {BYTES_GOAL:.0%}", f"{worst:.4f} times", met)


def error_goals(accuracies: Iterable[Accuracy]) -> Iterator[Goal]:
    """Ours only; the peer's errors stand in their table."""
    for one in accuracies:
        if one.tool == records.OURS:
            goal = 0.0 if one.dtype == "float32" else ERROR_GOAL
            figure = f"elements not correctly rounded, {one.dtype}"
            yield Goal(figure, f"<= {goal:.1%}" if goal else "none", f"{one.share:.4%}", one.share <= goal)
            figure = f"scale error, {one.dtype}"
            yield Goal(figure, f"<= {SCALE_GOAL:g}", f"{one.scale:.1e}", abs(one.scale) <= SCALE_GOAL)


def _of(together: Cases, tool: str) -> Iterator[tuple[tuple[str, int, int, str], Case]]:
    return (
        (key, together[key])
        for key in sorted(together, key=lambda key: (key[0] != records.WARM, *key))
        if key[3] == tool
    )


# --- Tables ---


def _goals(goals: Sequence[Goal]) -> str:
    rows = [(one.figure, one.goal, one.found, "met" if one.met else "**missed**") for one in goals]
    return _table("Goals", ("figure", "goal", "found", ""), rows)


def _runs(state: str, size: int, found: Sequence[Case], together: Cases) -> str:
    head = (
        *("N", "tool", "s per candidate", "range", f"{records.MERGEKIT_EXACT} / this"),
        *(f"{records.MERGEKIT_FAST} / this", "this / floor", "processor s", "others", "peak RSS", "private"),
        *("read calls / inputs", "write calls / outputs", "disk read / inputs", "disk written / outputs"),
    )
    rows = []
    for case in sorted(found, key=lambda case: (case.runs[0].inputs, records.TOOLS.index(case.runs[0].tool))):
        one = case.runs[0]
        peers = [together.get((state, size, one.inputs, peer)) for peer in records.PEERS]
        floor = together.get((state, size, one.inputs, records.FLOOR_BATCH if one.candidates > 1 else records.FLOOR))
        rows.append(
            (
                str(one.inputs),
                one.tool + (f" of {one.candidates}" if one.candidates > 1 else ""),
                f"{case.each:.2f}",
                f"{min(run.each for run in case.runs):.2f}-{max(run.each for run in case.runs):.2f}",
                *(f"{peer.each / case.each:.1f}" if peer else "-" for peer in peers),
                f"{case.each / floor.each:.2f}" if floor else "-",
                f"{case.median('user') + case.median('system'):.1f}",
                f"{case.median('others_share'):.0%}",
                f"{case.peak / 1e6:.0f} MB",
                f"{case.median('private_bytes') / 1e6:.0f} MB",
                f"{case.median('rchar') / case.input_bytes:.3f}",
                f"{case.median('wchar') / case.output_bytes:.3f}",
                f"{case.median('read_bytes') / case.input_bytes:.3f}",
                f"{case.median('write_bytes') / case.output_bytes:.3f}",
            )
        )
    cached = [run.cached_share for case in found for run in case.runs]
    rounds = max(len(case.runs) for case in found)
    held = f"{min(cached):.0%}-{max(cached):.0%}"
    title = f"N inputs of {_giga(size)}, {state} page cache (it held {held} of them at the start), median of {rounds}"
    return _table(title, head, rows)


def _accuracies(accuracies: Sequence[Accuracy]) -> str:
    rows = [
        (
            one.tool,
            one.dtype,
            str(one.elements),
            f"{one.largest:.3g}",
            f"{one.not_correctly_rounded} ({one.share:.4%})",
            str(one.worst_ulps),
            f"{one.scale:.1e}",
        )
        for one in accuracies
    ]
    head = ("tool", "output", "elements", "largest error", "not correctly rounded", "most ulps", "scale error")
    return _table(f"Errors against fp64, {accuracies[0].inputs} bf16 inputs", head, rows)


def _starts(starts: Sequence[Start]) -> str:
    found: dict[tuple[str, str], list[float]] = {}
    for one in starts:
        found.setdefault((one.what, one.cache), []).append(one.seconds)
    rows = [(what, state, f"{statistics.median(times):.2f}") for (what, state), times in found.items()]
    return _table("Seconds from the start of a process, medians", ("until", "cache", "s"), rows)


def _table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"**{title}**", "", f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def _giga(size: int) -> str:
    return f"{size / 1e9:.2f} GB"
