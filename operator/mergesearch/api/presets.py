"""Known tasks by one word, and the paper's combinations of them; pure.

A preset fills in the fields of a task that a person has left out, before the models look at it: everything behind them
sees whole tasks and no preset, while the resource on the cluster stays as it was written. Each field that is written
wins over the preset's.

What a preset means never changes: scores of a search would stop to be comparable when the operator is upgraded under
it. A better choice of shots or filters gets a new name, and the old name stays. A test holds the table to what earlier
releases said.

Every preset names a task that lm-eval runs, its own or one that the evaluator brings along. A benchmark that lm-eval
cannot score, such as one with a judge, gets an entry here as soon as the evaluator has a scorer for it: what tells the
scorers apart is then a field of `Preset` and of the contract's task, beside `name`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pydantic.alias_generators import to_camel

TaskPreset = Literal["MBPP", "GSM8K", "IFEval", "MMLU-Pro", "MuSR"]
ObjectivePreset = Literal[
    "MBPP-IFEval", "MBPP-MuSR", "MMLU-Pro-IFEval", "MBPP-IFEval-GSM8K", "MBPP-GSM8K-IFEval-MMLU-Pro-MuSR"
]


@dataclass(frozen=True)
class Preset:
    """One task as it is scored unless a person says otherwise."""

    name: str
    """Of the task in lm-eval, or of one of the evaluator's own."""
    metric: str
    filter: str
    num_fewshot: int
    chat_template: bool
    search_samples: int
    unseen_samples: int | None
    """None: all that the search does not see."""
    about: str
    """What is measured, in a few words."""


TASKS: dict[TaskPreset, Preset] = {
    "MBPP": Preset(
        "mergesearch_mbpp_instruct",
        "pass_at_1",
        "extract_code",
        num_fewshot=3,
        chat_template=True,
        search_samples=250,
        unseen_samples=None,
        about="500 small Python programs, run against their tests",
    ),
    "GSM8K": Preset(
        "gsm8k",
        "exact_match",
        "flexible-extract",
        num_fewshot=5,
        chat_template=True,
        search_samples=659,
        unseen_samples=None,
        about="1,319 word problems; the last number of the answer counts",
    ),
    "IFEval": Preset(
        "ifeval",
        "prompt_level_strict_acc",
        "none",
        num_fewshot=0,
        chat_template=True,
        search_samples=270,
        unseen_samples=None,
        about="541 prompts with instructions that a program can check; all of a prompt's have to be followed",
    ),
    "MMLU-Pro": Preset(
        "mmlu_pro",
        "exact_match",
        "custom-extract",
        num_fewshot=5,
        chat_template=True,
        search_samples=1000,
        unseen_samples=1000,
        about="2,000 of 12,032 questions with ten choices, from all 14 subjects in proportion",
    ),
    "MuSR": Preset(
        "leaderboard_musr",
        "acc_norm",
        "none",
        num_fewshot=0,
        chat_template=True,
        search_samples=378,
        unseen_samples=None,
        about="756 stories with a question; the likeliest choice counts, nothing is generated",
    ),
}

OBJECTIVES: dict[ObjectivePreset, tuple[TaskPreset, ...]] = {
    "MBPP-IFEval": ("MBPP", "IFEval"),
    "MBPP-MuSR": ("MBPP", "MuSR"),
    "MMLU-Pro-IFEval": ("MMLU-Pro", "IFEval"),
    "MBPP-IFEval-GSM8K": ("MBPP", "IFEval", "GSM8K"),
    "MBPP-GSM8K-IFEval-MMLU-Pro-MuSR": ("MBPP", "GSM8K", "IFEval", "MMLU-Pro", "MuSR"),
}
"""The pairs, the triple and all five held-in tasks of Khalifa et al.; the Mean of them is the paper's fitness."""

FILLED = ("name", "metric", "filter", "num_fewshot", "chat_template")
"""What a preset fills in of any task."""


def held_in(given: Any) -> Any:
    """A task of the objective with what its preset says; anything that names no preset as it is."""
    preset = _named(given)
    if preset is None:
        return given
    chosen = () if given.get("samples") is not None else ("search_samples", "unseen_samples")
    return _under(given, {name: getattr(preset, name) for name in (*FILLED, *chosen)})


def held_out(given: Any) -> Any:
    """A held-out task with what its preset says. The search sees none of its samples, so all of those that the preset
    takes are there for the confirmation.
    """
    preset = _named(given)
    if preset is None:
        return given
    both = None if preset.unseen_samples is None else preset.search_samples + preset.unseen_samples
    return _under(given, {name: getattr(preset, name) for name in FILLED} | {"unseen_samples": both})


def objective(given: Any) -> Any:
    """An objective with the tasks of its preset in the place of the preset's name."""
    if not isinstance(given, Mapping):
        return given
    tasks = given.get("tasks")
    if tasks is None and given.get("preset") in get_args(ObjectivePreset):
        rest = {name: value for name, value in given.items() if name not in ("preset", "tasks")}
        return rest | {"tasks": tuple({"preset": name} for name in OBJECTIVES[given["preset"]])}
    # Models that are strict take no list from Python where they take one from JSON.
    return {**given, "tasks": tuple(tasks)} if isinstance(tasks, list) else given


def _named(given: Any) -> Preset | None:
    name = given.get("preset") if isinstance(given, Mapping) else None
    return next((preset for known, preset in TASKS.items() if known == name), None)


def _under(given: Mapping[str, Any], filled: Mapping[str, Any]) -> dict[str, Any]:
    """What is written, in either of a field's two forms, and what is filled in beside it. The preset has done its part
    and goes: a whole task that is kept with its preset, but without what is at its default, would read back otherwise.
    """
    missing = {name: value for name, value in filled.items() if value is not None and name not in given}
    fitting = {to_camel(name): value for name, value in missing.items() if to_camel(name) not in given}
    return fitting | {name: value for name, value in given.items() if name != "preset"}
