"""What `validate` knows of tasks without lm-eval is what lm-eval says of them; but for the number of their documents,
which needs their data.
"""

import json
import subprocess
import sys
from typing import Any

import pytest

from evaluator_support import benchmarks
from mergesearch.api import known_tasks
from mergesearch_evaluator import coding
from mergesearch_evaluator.tasks import BUILT_IN

LOADED = """
import json, os, sys
from pathlib import Path
from mergesearch_evaluator import sentences
sentences.offer(os.environ)
from mergesearch_evaluator.catalog import Catalog
catalog = Catalog([Path(sys.argv[1])])
for name in sys.argv[2:]:
    leaves = catalog.load(name, allow_code=True).facts.leaves
    means = [{m for m, facts in leaf.metrics.items() if facts.is_mean and facts.higher_is_better} for leaf in leaves]
    print(json.dumps({
        "leaves": len(leaves),
        "metrics": sorted(set.intersection(*means)),
        "filters": sorted(set.intersection(*(set(leaf.filters) for leaf in leaves))),
        "runs_code": all(leaf.runs_code for leaf in leaves),
    }))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("known") / "tasks"
    (own,) = BUILT_IN.rglob("mergesearch_mbpp.yaml")
    benchmarks.write(folder, mbpp=own, mbpp_for_chat=own.with_name("mergesearch_mbpp_instruct.yaml"))
    command = [sys.executable, "-c", LOADED, str(folder), *known_tasks.TASKS]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    return dict(zip(known_tasks.TASKS, lines, strict=True))


@pytest.mark.parametrize("name", known_tasks.TASKS)
def test_what_is_known_of_a_task_is_what_lm_eval_says(found: dict[str, dict[str, Any]], name: str) -> None:
    known = known_tasks.TASKS[name]

    assert found[name] == {
        "leaves": known.leaves,
        "metrics": sorted(known.metrics),
        "filters": sorted(known.filters),
        "runs_code": known.runs_code,
    }


def test_the_evaluator_refuses_the_same_tasks_of_lm_eval() -> None:
    assert known_tasks.IN_A_SANDBOX == coding.OURS
    assert known_tasks.SANDBOX_METRIC == coding.METRIC
