"""What is known of some tasks of lm-eval, and of the evaluator's own, before their data is loaded; pure.

The preflight asks the tasks themselves and has the last word. What stands here is for `validate` and `plan`, which run
where neither lm-eval nor data is; a test compares it with lm-eval as far as that goes without data.
"""

from dataclasses import dataclass

from mergesearch.api.spec import MergeSearchSpec


@dataclass(frozen=True)
class KnownTask:
    """One task, or a group of them."""

    documents: int
    """That are scored, of all leaf tasks."""
    metrics: tuple[str, ...]
    """Means over samples of which more is better: those that can be optimised."""
    filters: tuple[str, ...]
    leaves: int = 1
    runs_code: bool = False
    """It runs programs that the model wrote."""
    for_chat: bool = False
    """Its prompts are for models that chat."""


_IFEVAL = ("prompt_level_strict_acc", "prompt_level_loose_acc")

TASKS: dict[str, KnownTask] = {
    "mergesearch_mbpp": KnownTask(500, ("pass_at_1",), ("none",), runs_code=True),
    "mergesearch_mbpp_instruct": KnownTask(500, ("pass_at_1",), ("extract_code",), runs_code=True, for_chat=True),
    "gsm8k": KnownTask(1319, ("exact_match",), ("strict-match", "flexible-extract")),
    "ifeval": KnownTask(541, _IFEVAL, ("none",), for_chat=True),
    "mmlu_pro": KnownTask(12032, ("exact_match",), ("custom-extract",), leaves=14),
    "leaderboard_musr": KnownTask(756, ("acc_norm",), ("none",), leaves=3),
}
"""By their names in lm-eval: those of the presets, and the one for base models that the user guide names."""
IN_A_SANDBOX = {"mbpp": "mergesearch_mbpp", "mbpp_instruct": "mergesearch_mbpp_instruct"}
"""Tasks of lm-eval that would run programs beside the checkpoints, and those that the evaluator has in their place."""
SANDBOX_METRIC = "mergesearch_evaluator.sandbox.metric.pass_at_1"
"""What a task of a user's own that runs programs names as its metric."""
RUN_CODE = tuple(name for name, task in TASKS.items() if task.runs_code)


def are_certain(spec: MergeSearchSpec) -> bool:
    """Whether names mean what stands here. A task in a folder of the user's own takes the place of lm-eval's task of
    the same name, and an image of the user's own may hold another lm-eval.
    """
    return not spec.evaluator.task_folders and spec.evaluator.image is None


def documents(spec: MergeSearchSpec, name: str) -> int | None:
    """How many documents a task has; None where only the preflight can count them."""
    return TASKS[name].documents if name in TASKS and are_certain(spec) else None
