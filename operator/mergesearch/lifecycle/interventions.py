"""What a person does to a running search: suspend it, or send it on after a stall; pure."""

from mergesearch.api.status import Record, RecordState, Stage
from mergesearch.lifecycle import launches, records, waits
from mergesearch.lifecycle.step import Step


def suspend(step: Step) -> Step:
    """`Now` ends what runs: its records wait again. `Drain` only keeps new things from starting, which `scheduling`
    does.
    """
    return launches.abandon(step) if step.spec.suspend and step.spec.suspend_policy == "Now" else step


def retry(step: Step) -> Step:
    """A new value of `spec.retry`: preflight again, and a new chance for what has failed and was not told yet."""
    if step.spec.retry == step.status.retry:
        return step
    step = step.change(retry=step.spec.retry)
    if step.status.completion_time is not None:
        return step
    step = waits.give_up(step).change(
        stalled=None,
        stage_failures={},
        stage_disruptions={},
        stages_not_before=None,
        preflight_due=(Stage.PREFLIGHT_CHECKPOINTS, Stage.PREFLIGHT_TASKS),
    )
    last = max((record.generation or 0 for record in step.status.candidates), default=0)

    def still_open(record: Record) -> bool:
        # Only candidates of the search have a vector, and only those of the last generation are not told yet.
        return record.state is RecordState.FAILED and (record.x is None or record.generation == last)

    step = records.change_all(step, still_open, records.given_new_chance)
    return records.change_all(
        step,
        lambda record: record.state is RecordState.WAITING,
        lambda record: record.model_copy(update={"not_before": None, "charged": 0, "disruptions": 0}),
    )
