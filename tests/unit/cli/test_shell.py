"""The local shell, with small real processes in the place of the children: what it asks of them."""

import json
import sys
from pathlib import Path

import pytest

from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import Stage
from mergesearch.errors import CliExitCode
from mergesearch_cli import shell
from mergesearch_cli.runner import Activity, Commands, Runner
from mergesearch_cli.state import StateFolder
from unit.lifecycle import world

REFUSES = """
import sys
for line in sys.stdin:
    with open(sys.argv[1], "a") as told:
        told.write(line)
    print('{"exit": {"code": 64}}', flush=True)
"""


class Nobody:
    """Looks on."""

    def show(self, resource: MergeSearch, activity: Activity) -> None:
        """Nothing is shown."""


@pytest.mark.parametrize("slices", [1, 4])
def test_one_merger_writes_the_whole_merge_however_many_pods_would_share_it_on_a_cluster(
    tmp_path: Path, slices: int
) -> None:
    bench = world.Bench(world.resource(merger={"slices": slices}))
    status = bench.until(lambda now: any(launch.stage is Stage.MERGE for launch in now.launches))
    resource = bench.resource.model_copy(update={"status": status})
    state, told = StateFolder(tmp_path / "state"), tmp_path / "told"
    program = (sys.executable, "-S", "-c", REFUSES, str(told))
    runner = Runner(Commands(merger=program, evaluator=program), {}, state.logs)
    try:
        with state.held():
            state.write(resource)
            after = shell.run(resource, state, runner, Nobody())
    finally:
        runner.stop()
    assert shell.exit_code(after) is CliExitCode.STALLED
    merges = [request for line in told.read_text().splitlines() if (request := json.loads(line))["kind"] == "merge"]
    assert merges
    assert [request.get("slices", 1) for request in merges] == [1] * len(merges)
    assert after.spec == resource.spec, "the manifest stays as it was written"
