"""The paper's experiments replayed: its manifests as they are, in a world whose checkpoints score what Table 2 says."""

import csv
import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mergesearch import contract
from mergesearch.api import manifest
from mergesearch.api.resource import MergeSearch
from mergesearch.contract import Split
from unit.lifecycle.world import Bench, World

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "examples" / "paper"
TABLE = ROOT / "tests" / "data" / "paper_table2.csv"
COLUMNS = {
    "mergesearch_mbpp_instruct": ("mbpp", (500,)),
    "ifeval": ("ifeval", (541,)),
    "gsm8k": ("gsm8k", (1319,)),
    "leaderboard_musr": ("musr", (250, 256, 250)),
    "mmlu_pro": ("mmlu_pro", (12032,)),
}
"""By the name of a task in lm-eval: the column of the table, and how many documents its leaf tasks have."""
BEHIND = 0.01
"""A merge scores so much less than the worst of its parts on each task, so that the table alone decides."""


def rows() -> list[dict[str, str]]:
    """Of Table 2."""
    with TABLE.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def name_of(row: dict[str, str]) -> str:
    """`sft-03`: stage and number."""
    return f"{row['stage']}-{int(row['model_id']):02d}"


def number_of(name: str) -> int:
    """3 of `sft-03`: what the paper calls #3."""
    return int(name.rpartition("-")[2])


def examples() -> dict[str, MergeSearch]:
    """All manifests by their files, as a person would apply them."""
    files = sorted(EXAMPLES.rglob("*.yaml"))
    assert len(files) == 8
    return {str(path.relative_to(EXAMPLES)): manifest.load(path.read_text(), str(path)) for path in files}


@dataclass
class PaperWorld(World):
    """Checkpoints lie under their names."""

    names: tuple[str, ...] = ()
    table: dict[str, dict[str, str]] = field(default_factory=lambda: {name_of(row): row for row in rows()})

    def _weights(self, candidate: contract.EvaluationCandidate) -> tuple[float, ...] | None:
        if candidate.merge_hash is not None:
            return super()._weights(candidate)
        return tuple(float(name == candidate.model.path) for name in self.names)

    def score(self, weights: Sequence[float], task: str, _split: Split) -> float:
        """What the table says of a checkpoint; less than that of any of its parts of a merge."""
        column, _ = COLUMNS[task]
        parts = [
            float(self.table[name][column]) / 100.0
            for name, weight in zip(self.names, weights, strict=True)
            if weight != 0.0
        ]
        return parts[0] if len(parts) == 1 else max(0.0, min(parts) - BEHIND)


@functools.cache
def replay(file: str) -> Bench:
    """The experiment at its end."""
    resource = examples()[file]
    meta = resource.metadata.model_copy(update={"uid": "abcdef-1"})
    names = tuple(source.name for source in resource.spec.checkpoints)
    world = PaperWorld(names=names, documents={task: leaves for task, (_, leaves) in COLUMNS.items()})
    world.landscape = world.score
    bench = Bench(resource.model_copy(update={"metadata": meta}), world=world)
    bench.rest()
    return bench
