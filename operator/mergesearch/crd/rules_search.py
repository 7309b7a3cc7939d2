"""What the API server checks of tasks, samples, the algorithm, budgets and baselines, in CEL; pure. The checks of
`api/check_inputs.py`, `api/check_tasks.py` and `api/check_search.py`.
"""

from collections.abc import Iterable
from typing import Any

from mergesearch.api import known_tasks, spec
from mergesearch.api.check_search import MAX_SIGMA, MAX_WEIGHT, WEIGHT_TOLERANCE
from mergesearch.crd.cel import DECIMAL, Rules, distinct, number, objective_names, rule, task_name, text

MAX_LOOKUPS = 2048
"""Known points x checkpoints up to which names are looked up."""
_TASK_NAME = r"^[^\s/.,\x00-\x1f][^\s/,\x00-\x1f]*$"

_TASK_NAME_RULE = rule(
    f"self.matches({text(_TASK_NAME)})",
    "the name of a task has no spaces, / and commas and does not begin with a dot: files are called after it",
)
_NOT_BLANK = rule(r"self.matches(r'\S')", "this name is empty: write one, or leave the field out")

_WHOLE_TASK = rule(
    "has(self.preset) || (has(self.name) && has(self.metric))",
    "nobody says how this task is scored: write its name and its metric, or a preset",
)
_NAMED_ONCE = f"self.tasks.all(a, self.tasks.exists_one(b, {task_name('a')} == {task_name('b')}))"

TASKS: Rules = {
    "spec.objective": (
        rule(
            "has(self.preset) != has(self.tasks)",
            "the tasks are named by a preset or one by one: set exactly one of preset and tasks",
        ),
        rule(f"!has(self.tasks) || {_NAMED_ONCE}", "a task stands here twice: name each once", fieldPath=".tasks"),
        rule(
            "self.aggregate == 'WeightedMean' || !has(self.tasks) || self.tasks.all(t, "
            + number("t.weight", "== 1.0")
            + ")",
            "only the aggregate WeightedMean reads the weights of tasks: set spec.objective.aggregate to WeightedMean, "
            "or remove the weights",
            fieldPath=".aggregate",
        ),
    ),
    "spec.objective.goal": (
        rule(number("self", "> 0.0"), 'every candidate reaches a goal of 0: set one above 0, such as "0.70", or none'),
    ),
    "spec.objective.tasks[*]": (
        _WHOLE_TASK,
        rule(
            "!has(self.samples) || !(has(self.searchSamples) || has(self.unseenSamples))",
            "samples and searchSamples or unseenSamples both choose the samples: remove one of them",
        ),
        rule(
            "!has(self.samples) || (self.samples.search.start < self.samples.search.stop && "
            "self.samples.unseen.start < self.samples.unseen.stop)",
            "a range of samples is empty: its start must be below its stop",
            fieldPath=".samples",
        ),
        rule(
            "!has(self.samples) || self.samples.search.stop <= self.samples.unseen.start || "
            "self.samples.unseen.stop <= self.samples.search.start",
            "the search would see samples that are to confirm its winner: search and unseen must not overlap",
            fieldPath=".samples.unseen",
        ),
    ),
    "spec.objective.tasks[*].name": (_TASK_NAME_RULE,),
    "spec.objective.tasks[*].metric": (_NOT_BLANK,),
    "spec.objective.tasks[*].filter": (_NOT_BLANK,),
    "spec.objective.tasks[*].weight": (
        rule(
            number("self", f">= {1 / MAX_WEIGHT:f}") + " && " + number("self", f"<= {MAX_WEIGHT:.1f}"),
            f"this weight is too small or too large: it must lie between {1 / MAX_WEIGHT:g} and {MAX_WEIGHT}",
        ),
    ),
    "spec.heldOut": (rule(_NAMED_ONCE, "a task stands here twice: name each once", fieldPath=".tasks"),),
    "spec.heldOut.tasks[*]": (_WHOLE_TASK,),
    "spec.heldOut.tasks[*].name": (_TASK_NAME_RULE,),
    "spec.heldOut.tasks[*].metric": (_NOT_BLANK,),
    "spec.heldOut.tasks[*].filter": (_NOT_BLANK,),
}


_OBJECTIVE = objective_names("self.objective")


def _generation(algorithm: str) -> dict[str, Any]:
    size = f"algorithm.{algorithm}.populationSize"
    return rule(
        f"!has(self.algorithm.{algorithm}) || !has(self.{size}) || self.{size} <= self.maxEvaluations",
        f"no generation would ever be complete: {size} must be at most maxEvaluations",
        fieldPath=f".{size}",
    )


def _any_task(names: Iterable[str]) -> str:
    """Whether one of these is optimised or held out."""
    listed = f"[{', '.join(repr(name) for name in names)}]"
    return f"({_OBJECTIVE}.exists(n, n in {listed}) || self.heldOut.tasks.exists(h, {task_name('h')} in {listed}))"


CODE: Rules = {
    "spec": (
        rule(
            f"self.evaluator.allowCodeExecution || !{_any_task(known_tasks.RUN_CODE)}",
            f"a preset of MBPP, {' and '.join(known_tasks.RUN_CODE)} run programs that the model wrote, in a sandbox: "
            "set spec.evaluator.allowCodeExecution to true, or remove the task",
            fieldPath=".evaluator.allowCodeExecution",
        ),
        rule(
            f"size(self.evaluator.taskFolders) > 0 || !{_any_task(known_tasks.IN_A_SANDBOX)}",
            "lm-eval's own tasks would run programs that the model wrote beside the checkpoints: take "
            + " and ".join(f"{ours} for {theirs}" for theirs, ours in known_tasks.IN_A_SANDBOX.items()),
            fieldPath=".objective",
        ),
    ),
}

SEARCH: Rules = {
    "spec": (
        rule(
            f"size(self.checkpoints) * self.search.maxEvaluations <= {spec.MAX_PRODUCT}",
            "the status would grow too large: the number of checkpoints x spec.search.maxEvaluations must be at most "
            f"{spec.MAX_PRODUCT}, so lower maxEvaluations or leave checkpoints out",
            fieldPath=".search.maxEvaluations",
        ),
        rule(
            # The API server stops a rule that takes too long, and refuses the whole manifest with it.
            f"size(self.search.initial) * size(self.checkpoints) > {MAX_LOOKUPS} || "
            "self.search.initial.all(p, p.weights.all(w, self.checkpoints.exists(c, c.name == w)))",
            "the weights of spec.search.initial must name checkpoints of spec.checkpoints: correct or remove others",
            fieldPath=".search.initial",
        ),
        rule(
            f"self.search.initial.all(p, size(p.scores) == size({_OBJECTIVE}) && {_OBJECTIVE}.all(n, n in p.scores))",
            "each point of spec.search.initial must have a score for each task of spec.objective, and no other",
            fieldPath=".search.initial",
        ),
    ),
    "spec.search": (
        _generation("cmaes"),
        _generation("random"),
        rule(
            "!has(self.confirm.finalists) || self.confirm.finalists <= self.maxEvaluations",
            "there are fewer candidates than finalists: confirm.finalists must be at most maxEvaluations",
            fieldPath=".confirm.finalists",
        ),
    ),
    "spec.search.algorithm": (
        rule(
            "[has(self.cmaes), has(self.random), has(self.preset)].exists_one(chosen, chosen)",
            "one algorithm proposes the candidates: set exactly one of cmaes, random and preset",
        ),
    ),
    "spec.search.algorithm.cmaes.sigma": (
        rule(
            number("self", f"<= {MAX_SIGMA}.0"),
            f"this step is too large: it must be at most {MAX_SIGMA}, and 0.7 is usual",
        ),
    ),
    "spec.search.baselines": (
        rule(distinct(), "a baseline stands here twice: name each once"),
        rule(
            "!self.exists(b, b in ['MergeBest', 'Greedy']) || 'Checkpoints' in self",
            "MergeBest and Greedy follow from the scores of the checkpoints: add Checkpoints, or remove them",
        ),
    ),
    "spec.search.initial[*].weights": (
        rule(
            f"self.exists(w, !self[w].matches({text(DECIMAL)})) || "
            f"(self.map(w, double(self[w])).sum() > {1 - WEIGHT_TOLERANCE} && "
            f"self.map(w, double(self[w])).sum() < {1 + WEIGHT_TOLERANCE})",
            "these are not the weights of a merge: they must sum to 1",
        ),
    ),
}
