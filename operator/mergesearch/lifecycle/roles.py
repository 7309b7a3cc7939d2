"""Who runs a stage, and which stages work on records; pure."""

from mergesearch.api.spec import MergeSearchSpec
from mergesearch.api.spec import Stage as StageSpec
from mergesearch.api.status import Stage

EVALUATOR_STAGES = (Stage.PREFLIGHT_TASKS, Stage.EVALUATE, Stage.COMPARE)
"""Stages that run the evaluator's image; all others run the merger's."""
WITH_RECORDS = (Stage.MERGE, Stage.EVALUATE)
"""Stages that bring records forward; all others are for the search as a whole."""


def part_of(spec: MergeSearchSpec, stage: str) -> StageSpec:
    """The part of the spec that says how the processes of a stage, given by its name, run."""
    return spec.evaluator if stage in EVALUATOR_STAGES else spec.merger
