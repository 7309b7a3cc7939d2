"""Tasks that run code, on a cluster: the sandbox container of real pods. The preflight suffices, since it runs programs
there: one that is right, one that is wrong, one that sleeps, and one that looks for volumes, processes and sockets.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster import volumes
from support.installation import Place, manifest

pytestmark = pytest.mark.cluster

TASK = """
task: programs
dataset_path: json
dataset_kwargs: {data_files: {test: programs.jsonl}}
test_split: test
output_type: generate_until
unsafe_code: true
doc_to_text: "{{prompt}}"
doc_to_target: "assert True"
generation_kwargs: {max_gen_toks: 4}
metric_list:
  - {metric: !function mergesearch_evaluator.sandbox.metric.pass_at_1, aggregation: mean, higher_is_better: true}
"""


@pytest.fixture
def code(place: Place, tmp_path: Path) -> Iterator[str]:
    """A claim with a task that runs code."""
    folder = tmp_path / "programs"
    folder.mkdir()
    (folder / "programs.yaml").write_text(TASK)
    (folder / "programs.jsonl").write_text("".join(json.dumps({"prompt": word}) + "\n" for word in ("abcd=", "dcba=")))
    volumes.bind(place.cluster, place.namespace, "programs", folder)
    yield "programs"
    place.cluster.run_kubectl("delete", "pv", f"{place.namespace}-programs", "--wait=false")


def test_the_preflight_runs_programs_in_the_sandbox_container(place: Place, code: str) -> None:
    document = manifest("code")
    spec = document["spec"]
    spec["storage"]["volumes"].append({"name": code, "persistentVolumeClaim": {"claimName": code}})
    spec["evaluator"]["taskFolders"].append({"volume": code})
    spec["evaluator"]["allowCodeExecution"] = True
    spec["heldOut"] = {"tasks": [{"name": "programs", "metric": "pass_at_1"}]}
    place.apply(document)
    seen = place.wait_until(
        "code", lambda s: s.status is not None and (not s.status.preflight_due or s.status.stalled is not None), 240
    )
    assert seen.status is not None
    assert seen.status.stalled is None, place.describe("code")
    assert "programs" in {task.name for task in seen.status.preflight.tasks}
    place.patch("code", {"suspend": True, "suspendPolicy": "Now"})
