"""A search over the paper's sixteen checkpoints: their scores are those of its table, merges score what their weights
promise and a little more.
"""

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unit.report import histories
from unit.report.answers import Landscape
from unit.report.histories import History

TABLE = Path(__file__).parents[2] / "data" / "paper_table2.csv"
ALL = ("mbpp", "gsm8k", "ifeval", "mmlu_pro", "musr")


def rows() -> list[dict[str, str]]:
    """Of the table."""
    with TABLE.open() as file:
        return list(csv.DictReader(file))


def landscape(tasks: Sequence[str] = ALL) -> Landscape:
    """A merge has the weighted mean of its parts' scores, and up to three points more the more even its weights are."""
    known = {task: [float(row[task]) / 100.0 for row in rows()] for task in (*tasks, "lbpp")}

    def score(weights: tuple[float, ...], task: str) -> float:
        mean = math.fsum(w * s for w, s in zip(weights, known[task], strict=True))
        return mean + 0.03 * (1.0 - math.fsum(w * w for w in weights))

    return score


def run(tasks: Sequence[str] = ALL, **search: Any) -> History:
    """The search, from its first step to its end."""
    resource = histories.manifest(16, tasks=tasks, held_out=("lbpp",), name="paper", maxEvaluations=50, **search)
    return histories.run(resource, landscape(tasks))
