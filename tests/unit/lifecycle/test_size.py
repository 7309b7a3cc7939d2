"""The largest statuses that the bounds allow stay below what etcd takes comfortably."""

import pytest

from mergesearch.api.status import MAX_STATUS_BYTES, Phase, Stage
from mergesearch.contract import Failure
from mergesearch.reasons import Reason
from unit.lifecycle.world import Bench, End, faults, resource

LONG = "n" * 55


@pytest.mark.slow
@pytest.mark.parametrize(("checkpoints", "evaluations"), [(64, 256), (32, 500)], ids=["64 x 256", "32 x 500"])
def test_the_largest_status_stays_below_its_bound(checkpoints: int, evaluations: int) -> None:
    tasks = [{"name": f"{LONG}-{i}", "metric": "acc"} for i in range(8)]
    bench = Bench(
        resource(
            checkpoints,
            objective={"tasks": tasks},
            heldOut={"tasks": [{"name": f"{LONG}-h{i}", "metric": "acc"} for i in range(8)]},
            storage={"maxPending": 16},
            search={
                "maxEvaluations": evaluations,
                "maxFailures": 50,
                "parallelism": 8,
                "algorithm": {"cmaes": {}},
                "confirm": {"finalists": 16, "baselines": "All"},
            },
        )
    )
    named = tuple(
        source.model_copy(update={"name": f"{LONG}-{i:02d}"})
        for i, source in enumerate(bench.resource.spec.checkpoints)
    )
    spec = bench.resource.spec.model_copy(update={"checkpoints": named})
    bench.resource = bench.resource.model_copy(update={"spec": spec})
    for task in tasks:
        bench.world.documents[task["name"]] = (50,) * 8
    failure = Failure(reason=Reason.NON_FINITE_WEIGHTS, message="m" * 1000)
    failing = [f"c{i:04d}" for i in range(3, evaluations, max(12, evaluations // 40))]
    bench.faults = faults(*((Stage.MERGE, name, End(code=65, failure=failure)) for name in failing))
    status = bench.rest()
    assert status.phase is Phase.COMPLETE
    size = len(status.to_stored())
    print(f"{checkpoints} x {evaluations}: {size} bytes")
    assert size < MAX_STATUS_BYTES
