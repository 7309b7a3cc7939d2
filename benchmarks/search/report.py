"""All tables of a run, from its CSV."""

import importlib.metadata
import platform
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from search import records, tables
from search.records import Dropped, Outcome

Line = TypeVar("Line", Outcome, Dropped)
Column = tuple[str, Callable[[Outcome], bool]]
PACKAGES = ("numpy", "cmaes", "cma", "torch", "transformers")


def text(out: Path) -> str:
    """Markdown of everything that was played."""
    synthetic = records.read(out / "landscapes.csv", Outcome)
    real = records.read(out / "families.csv", Outcome)
    parts = [*_machine()]
    parts += _landscapes(synthetic)
    parts += _families(real)
    parts += _settings(synthetic, real)
    parts += _thresholds(out)
    return "\n".join(parts)


def _machine() -> list[str]:
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    return [f"- Python {platform.python_version()}, {versions}", f"- {platform.machine()}, {platform.system()}", ""]


def _landscapes(lines: Sequence[Outcome]) -> list[str]:
    compared = [line for line in lines if line.stage == "compared"]
    parts = []
    for size in _sorted(line.checkpoints for line in compared):
        own = [line for line in compared if line.checkpoints == size]
        title = f"N = {size}, {_seeds(own)} landscapes a column"
        parts += [f"**Landscapes, mean regret in points, {title}**", "", tables.grid(own, _kinds(own), tables.regret)]
        parts += [f"**The same beyond the default's, {title}**", "", tables.grid(own, _kinds(own), tables.worse_by)]
    return parts


def _families(lines: Sequence[Outcome]) -> list[str]:
    compared = [line for line in lines if line.stage == "compared"]
    if not compared:
        return []
    columns = [*_sizes(compared), ("all", _everywhere)]
    worlds = _sorted(line.world for line in compared)
    by_family: list[Column] = [(world, _of_world(world)) for world in worlds]
    searches = [line for line in compared if line.budget]
    title = f"{', '.join(worlds)}; seeds {', '.join(map(str, _sorted(line.seed for line in compared)))}"
    return [
        f"**Families, fitness on unseen samples in points ({title})**",
        "",
        tables.grid(compared, columns, tables.confirmed),
        "**The same beyond the default's, run by run**",
        "",
        tables.grid(compared, [*columns, *by_family], tables.gain),
        "**The same choices on 8,000 further questions**",
        "",
        tables.grid(compared, columns, tables.examined),
        "**The same beyond the default's, run by run**",
        "",
        tables.grid(compared, [*columns, *by_family], tables.exam_gain),
        "**Evaluations to the final fitness of Paper on the search samples: median (runs that reached it)**",
        "",
        tables.grid(searches, columns, tables.effort),
        "**Weights that are not 0**",
        "",
        tables.grid(searches, columns, tables.kept),
    ]


def _settings(synthetic: Sequence[Outcome], real: Sequence[Outcome]) -> list[str]:
    parts = []
    for stage, differences in (("tuned", True), ("checked", True), ("skipped", False)):
        what = "beyond the default's" if differences else "in points"
        own = [line for line in synthetic if line.stage == stage]
        for size in _sorted(line.checkpoints for line in own):
            of_size = [line for line in own if line.checkpoints == size]
            parts.append(f"**Landscapes ({stage}), mean regret {what}, N = {size}, {_seeds(of_size)} a column**\n")
            parts.append(tables.grid(of_size, _kinds(of_size), tables.worse_by if differences else tables.regret))
        own = [line for line in real if line.stage == stage]
        if own:
            columns = [*_sizes(own), ("all", _everywhere)]
            parts.append(f"**Families ({stage}: {', '.join(_sorted(line.world for line in own))}), fitness {what}**\n")
            parts.append(tables.grid(own, columns, tables.gain if differences else tables.confirmed))
    return parts


def _thresholds(out: Path) -> list[str]:
    parts = []
    synthetic = records.read(out / "dropped-landscapes.csv", Dropped)
    if synthetic:
        cases = [(kind, size) for kind in _sorted(line.world for line in synthetic) for size in _all_sizes(synthetic)]
        columns = [(f"{kind}, N = {size}", _of_case(kind, size)) for kind, size in cases]
        parts += ["**Thresholds on candidates of landscapes**", "", tables.thresholds(synthetic, columns)]
    real = records.read(out / "dropped-families.csv", Dropped)
    if real:
        columns = [(f"N = {size}", _dropped_of_size(size)) for size in _all_sizes(real)]
        parts += ["**Thresholds on candidates of families**", "", tables.thresholds(real, columns)]
    return parts


def _kinds(lines: Sequence[Outcome]) -> list[Column]:
    kinds = list(dict.fromkeys(line.world for line in lines))
    budgets = [budget for budget in _sorted(line.budget for line in lines) if budget]
    return [(f"{kind} {budget}", _of_kind(kind, budget)) for kind in kinds for budget in budgets]


def _of_kind(kind: str, budget: int) -> Callable[[Outcome], bool]:
    return lambda line: line.world == kind and line.budget in (0, budget)


def _sizes(lines: Sequence[Outcome]) -> list[Column]:
    return [(f"N = {size}", _of_size(size)) for size in _sorted(line.checkpoints for line in lines)]


def _of_size(size: int) -> Callable[[Outcome], bool]:
    return lambda line: line.checkpoints == size


def _of_world(world: str) -> Callable[[Outcome], bool]:
    return lambda line: line.world == world


def _everywhere(_: Outcome) -> bool:
    return True


def _dropped_of_size(size: int) -> Callable[[Dropped], bool]:
    return lambda line: line.checkpoints == size


def _of_case(world: str, size: int) -> Callable[[Dropped], bool]:
    return lambda line: line.world == world and line.checkpoints == size


def _all_sizes(lines: Sequence[Dropped]) -> list[int]:
    return _sorted(line.checkpoints for line in lines)


def _seeds(lines: Sequence[Outcome]) -> int:
    return len({line.seed for line in lines})


Sortable = TypeVar("Sortable", int, str)


def _sorted(values: Iterable[Sortable]) -> list[Sortable]:
    return sorted(set(values))
