"""The largest searches that the bounds of the spec allow, with long names, full tables and failures in between."""

from mergesearch.api.status import Stage
from mergesearch.contract import Failure
from mergesearch.reasons import Reason
from unit.lifecycle.world import Bench, End, faults, resource

LONG = "n" * 55
SIZES = ((64, 256), (32, 500))
"""Checkpoints and evaluations: the most of either whose product is allowed."""


def bench(checkpoints: int, evaluations: int) -> Bench:
    """A search of that size that has not begun."""
    tasks = [{"name": f"{LONG}-{i}", "metric": "acc"} for i in range(8)]
    made = Bench(
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
        source.model_copy(update={"name": f"{LONG}-{i:02d}"}) for i, source in enumerate(made.resource.spec.checkpoints)
    )
    spec = made.resource.spec.model_copy(update={"checkpoints": named})
    made.resource = made.resource.model_copy(update={"spec": spec})
    for task in tasks:
        made.world.documents[task["name"]] = (50,) * 8
    made.world.tokens = (123_456_789, 12_345_678)
    failure = Failure(reason=Reason.NON_FINITE_WEIGHTS, message="m" * 1000)
    failing = [f"c{i:04d}" for i in range(3, evaluations, max(12, evaluations // 40))]
    made.faults = faults(*((Stage.MERGE, name, End(code=65, failure=failure)) for name in failing))
    return made
