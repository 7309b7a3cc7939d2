"""What was spent, and what the next process is expected to cost; pure.

GPU-seconds are wall seconds times the GPUs that the stage asks for. Expectations are means over what this search has
measured; before anything was measured they are 0.
"""

import math
from collections.abc import Iterable

from mergesearch.api.spec import MergeSearchSpec, Resources
from mergesearch.api.status import Launch, MergeSearchStatus, Record, Stage
from mergesearch.contract import EvaluationReport
from mergesearch.lifecycle.step import ObservedChild, Step

GPU_SUFFIX = "/gpu"


def gpus(resources: Resources) -> int:
    """GPUs that a container asks for, whatever the vendor."""
    asked = [number for name, number in resources.limits.items() if name.endswith(GPU_SUFFIX)]
    return sum(int(number) for number in asked if number.isdigit())


def gpus_of(spec: MergeSearchSpec, stage: Stage) -> int:
    """GPUs of a stage's process; only mergers and evaluators have any."""
    if stage is Stage.EVALUATE:
        return gpus(spec.evaluator.resources)
    return gpus(spec.merger.resources) if stage is Stage.MERGE else 0


def spend(step: Step, launch: Launch, child: ObservedChild) -> Step:
    """Book a child that has ended, whatever came of it."""
    if child.started_at is None or child.ended_at is None:
        return step
    seconds = max(0.0, (child.ended_at - child.started_at).total_seconds())
    cost = step.status.cost
    field = "evaluate_seconds" if launch.stage is Stage.EVALUATE else "merge_seconds"
    booked = {"gpu_seconds": round(cost.gpu_seconds + seconds * gpus_of(step.spec, launch.stage), 3)}
    if launch.stage in (Stage.MERGE, Stage.EVALUATE):
        booked[field] = round(getattr(cost, field) + seconds, 3)
    return step.change(cost=cost.model_copy(update=booked))


def rounded(seconds: float) -> float | None:
    """Seconds as a record keeps them; None where a report says nonsense."""
    return round(seconds, 3) if math.isfinite(seconds) and seconds >= 0.0 else None


def count_tokens(step: Step, report: EvaluationReport) -> Step:
    """Book the tokens of one evaluation."""
    cost = step.status.cost
    return step.change(
        cost=cost.model_copy(
            update={
                "prompt_tokens": cost.prompt_tokens + report.prompt_tokens,
                "generated_tokens": cost.generated_tokens + report.generated_tokens,
            }
        )
    )


def expected_seconds(status: MergeSearchStatus, stage: Stage) -> float:
    """Mean seconds of one candidate in a stage, as measured so far."""
    field = "merge_seconds" if stage is Stage.MERGE else "evaluate_seconds"
    measured = [seconds for record in _all(status) if (seconds := getattr(record, field)) is not None]
    return sum(measured) / len(measured) if measured else 0.0


def expected_gpu_seconds(spec: MergeSearchSpec, status: MergeSearchStatus, evaluations: int) -> float:
    """GPU-seconds of so many candidates from merge to score."""
    return evaluations * sum(
        expected_seconds(status, stage) * gpus_of(spec, stage) for stage in (Stage.MERGE, Stage.EVALUATE)
    )


def in_flight_gpu_seconds(step: Step) -> float:
    """GPU-seconds that live launches will have cost: as expected, or what they have taken already where that is
    more.
    """
    total = 0.0
    for launch in step.status.launches:
        child = step.observed.child(launch.number)
        started = child.started_at if child is not None else None
        taken = (step.now - started).total_seconds() if started is not None else 0.0
        expected = expected_seconds(step.status, launch.stage) * len(launch.candidates)
        total += gpus_of(step.spec, launch.stage) * max(taken, expected)
    return total


def _all(status: MergeSearchStatus) -> Iterable[Record]:
    return (*status.baselines, *status.candidates, *status.confirmations)
