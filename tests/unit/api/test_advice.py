"""What is allowed but seldom meant is said, and stops nothing."""

import pytest

from mergesearch.api import advice, advice_tasks, checks, manifest
from unit.api import good

OBJECTIVE = "  objective:\n"
TASK = "{name: gsm8k, metric: exact_match, filter: strict-match}"


def minimal(spec: str) -> str:
    return good.MINIMAL.replace(OBJECTIVE, f"{spec}{OBJECTIVE}")


def full(old: str, new: str) -> str:
    assert good.FULL.count(old) == 1
    return good.FULL.replace(old, new)


CASES = {
    "generations_come_out_even": (
        full("maxEvaluations: 64", "maxEvaluations: 60"),
        "spec.search.maxEvaluations",
        "the last 4 candidates are evaluated, but teach the optimiser nothing; found 60, 4 more than whole generations "
        "of 8; allowed: 56 or 64",
    ),
    "evaluators_have_work": (
        full("    batch: 2\n", "    batch: 3\n"),
        "spec.search.parallelism",
        "there are never more than 8 candidates to evaluate",
    ),
    "evaluators_have_work-default_population": (
        full("        populationSize: 8\n", "").replace("maxEvaluations: 64", "maxEvaluations: 6"),
        "spec.search.parallelism",
        "there are never more than 6 candidates to evaluate",
    ),
    "merges_reach_the_evaluators-merger": (
        minimal("  merger: {batch: 8}\n"),
        "spec.storage.maxPending",
        "the merger never fills a batch; found the number 4; allowed: at least 8, or a smaller spec.merger.batch",
    ),
    "merges_reach_the_evaluators-evaluator": (
        full("maxPending: 12", "maxPending: 6"),
        "spec.storage.maxPending",
        "the evaluators never have full batches",
    ),
    "known_points_are_used": (
        full("warmStart: true", "warmStart: false"),
        "spec.search.initial",
        "warmStart is false: these are not read",
    ),
    "known_points_are_used-random": (
        minimal(
            '  search:\n    algorithm: {random: {}}\n    initial: [{weights: {sft-a: "1"}, scores: {gsm8k: "0.5"}}]\n'
        ),
        "spec.search.initial",
        "random search does not learn",
    ),
    "known_points_are_used-paper": (
        minimal(
            "  search:\n    algorithm: {preset: Paper}\n"
            '    initial: [{weights: {sft-a: "1"}, scores: {gsm8k: "0.5"}}]\n'
        ),
        "spec.search.initial",
        "the preset Paper starts from the uniform merge",
    ),
    "warm_start_has_history": (
        minimal("  search: {baselines: [Uniform]}\n"),
        "spec.search.baselines",
        "a warm start has no scores of checkpoints to start from",
    ),
    "winner_has_rivals": (
        minimal("  search: {baselines: [], algorithm: {random: {}}}\n"),
        "spec.search.baselines",
        "nothing that the winner is compared with",
    ),
    "aggregate_is_understood-zero": (
        full("aggregate: WeightedMean", "aggregate: GeometricMean").replace('weight: "2"', 'weight: "1"'),
        "spec.objective.aggregate",
        "a score of 0 on any task makes the fitness 0",
    ),
    "aggregate_is_understood-minimum": (
        full("aggregate: WeightedMean", "aggregate: Minimum").replace('weight: "2"', 'weight: "1"'),
        "spec.objective.aggregate",
        "the worst task alone decides",
    ),
    "aggregate_is_understood-equal_weights": (
        full('weight: "2"', 'weight: "1.0"'),
        "spec.objective.aggregate",
        "all tasks weigh the same",
    ),
    "finalists_find_room": (
        full("keepBest: 3", "keepBest: 2"),
        "spec.storage.keepBest",
        "until the winner is known the 3 finalists stay, then 2",
    ),
    "patience_can_run_out": (
        full("patience: 4", "patience: 8"),
        "spec.search.patience",
        "the search has 8 generations",
    ),
    "claim_keeps_pods_apart-node": (
        full("accessModes: [ReadWriteMany]", "accessModes: [ReadWriteOnce]"),
        "spec.storage.workspace.claimTemplate.accessModes",
        "on one node, where the 2 slices of a merge share its disks and its network; found",
    ),
    "claim_keeps_pods_apart-one_slice": (
        full("accessModes: [ReadWriteMany]", "accessModes: [ReadWriteOnce]").replace("slices: 2", "slices: 1"),
        "spec.storage.workspace.claimTemplate.accessModes",
        "on one node; found",
    ),
    "claim_keeps_pods_apart-pod": (
        full("accessModes: [ReadWriteMany]", "accessModes: [ReadWriteOncePod]")
        .replace("parallelism: 4", "parallelism: 1")
        .replace("slices: 2", "slices: 1"),
        "spec.storage.workspace.claimTemplate.accessModes",
        "never run at the same time",
    ),
    "gpu_hours_are_counted": (
        full(', nvidia.com/gpu: "1"', ""),
        "spec.search.maxGpuHours",
        "no stage asks for a GPU",
    ),
    "deadline_fits_into_the_duration": (
        full("maxDuration: 24h", "maxDuration: 1h30m"),
        "spec.evaluator.activeDeadlineSeconds",
        "found the number 7200; allowed: at most 5400, the 1h30m of spec.search.maxDuration",
    ),
    "code_may_run": (
        good.MINIMAL.replace("{name: gsm8k,", "{name: humaneval,"),
        "spec.objective.tasks[0].name",
        "lm-eval's own task would run programs that the model wrote beside the checkpoints, and is refused; found "
        '"humaneval"; allowed: the preset MBPP, or a task of your own in spec.evaluator.taskFolders with the metric '
        "!function mergesearch_evaluator.sandbox.metric.pass_at_1",
    ),
    "code_may_run-allowed": (
        minimal("  evaluator: {allowCodeExecution: true}\n").replace("{name: gsm8k,", "{name: humaneval,"),
        "spec.objective.tasks[0].name",
        "is refused; found",
    ),
    "code_may_run-of_ones_own": (
        minimal("  evaluator: {taskFolders: [{path: tasks}]}\n").replace("{name: gsm8k,", "{name: mbpp,"),
        "spec.objective.tasks[0].name",
        'this task runs code that the model wrote, which is not allowed; found "mbpp"; allowed: '
        "spec.evaluator.allowCodeExecution: true, where the task is your own with the metric !function "
        "mergesearch_evaluator.sandbox.metric.pass_at_1",
    ),
    "unseen_samples_are_many": (
        good.MINIMAL.replace(TASK, "{preset: MuSR, searchSamples: 750}"),
        "spec.objective.tasks[0].searchSamples",
        "with fewer than 50 unseen samples intervals and p are rough: leaderboard_musr (6); "
        "found the number 750; allowed: at most 706",
    ),
    "unseen_samples_are_many-bounded": (
        good.MINIMAL.replace(TASK, "{name: a, metric: acc, unseenSamples: 49}"),
        "spec.objective.tasks[0].unseenSamples",
        "intervals and p are rough: a (49); allowed: at least 50",
    ),
    "unseen_samples_are_many-ranges": (
        good.MINIMAL.replace(
            TASK, "{preset: GSM8K, samples: {search: {start: 0, stop: 9}, unseen: {start: 9, stop: 12}}}"
        ),
        "spec.objective.tasks[0].samples.unseen",
        "intervals and p are rough: gsm8k (3); allowed: at least 50",
    ),
    "task_names_are_spelt_right": (
        good.MINIMAL.replace(TASK, "{name: IFEVAL, metric: acc}"),
        "spec.objective.tasks[0].name",
        'lm-eval knows no task that is spelt like this; found "IFEVAL"; did you mean ifeval?',
    ),
    "task_names_are_spelt_right-preset": (
        minimal("  heldOut: {tasks: [{name: MuSR, metric: acc}]}\n"),
        "spec.heldOut.tasks[0].name",
        "did you mean leaderboard_musr?",
    ),
    "known_tasks_are_meant-samples": (
        full("searchSamples: 250", "searchSamples: 600"),
        "spec.objective.tasks[0].searchSamples",
        "600, but ifeval has 541 documents, unless taskFolders or the image have another task; "
        "found the number 600; allowed: at most 540",
    ),
    "known_tasks_are_meant-metric": (
        full("prompt_level_strict_acc", "inst_level_strict_acc"),
        "spec.objective.tasks[0].metric",
        "ifeval cannot be optimised by this metric, unless taskFolders or the image have another task; "
        'found "inst_level_strict_acc"; allowed: prompt_level_strict_acc or prompt_level_loose_acc; '
        "did you mean prompt_level_strict_acc?",
    ),
    "prompts_suit_the_model": (
        good.MINIMAL.replace(TASK, "{preset: IFEval, chatTemplate: false}"),
        "spec.objective.tasks[0].chatTemplate",
        "ifeval is made for models that chat, and is asked without their chat template; found false; "
        "allowed: true, unless the checkpoints have no chat template",
    ),
    "prompts_suit_the_model-held_out": (
        minimal("  heldOut: {tasks: [{name: ifeval, metric: prompt_level_strict_acc}]}\n"),
        "spec.heldOut.tasks[0].chatTemplate",
        "is asked without their chat template",
    ),
    "prompts_suit_the_model-code": (
        minimal("  evaluator: {allowCodeExecution: true}\n").replace(TASK, "{preset: MBPP, chatTemplate: false}"),
        "spec.objective.tasks[0].chatTemplate",
        "without their chat template; for base models there is mergesearch_mbpp, with the filter none; found false",
    ),
    "search_is_meant_to_wait": (
        full("suspend: false", "suspend: true"),
        "spec.suspend",
        "nothing starts while this is true",
    ),
}


@pytest.mark.parametrize(("text", "path", "part"), CASES.values(), ids=CASES)
def test_a_manifest_that_is_seldom_meant_gets_advice_and_is_read(text: str, path: str, part: str) -> None:
    examined = manifest.examine(text)

    assert examined.problems == ()
    assert examined.resource is not None
    assert [tip.path for tip in examined.advice] == [path]
    assert part in str(examined.advice[0])
    assert examined.advice[0].line is not None


def test_every_piece_of_advice_has_a_case() -> None:
    assert {name.split("-")[0] for name in CASES} == {one.__name__ for one in checks.ADVICE}
    assert {one.__module__ for one in checks.ADVICE} == {advice.__name__, advice_tasks.__name__}


def test_advice_is_given_beside_problems_but_not_about_what_is_broken() -> None:
    text = full("maxEvaluations: 64", "maxEvaluations: many").replace("suspend: false", "suspend: true")
    examined = manifest.examine(text)

    assert [problem.path for problem in examined.problems] == ["spec.search.maxEvaluations"]
    assert [tip.path for tip in examined.advice] == ["spec.suspend"]


SUITED = {
    "enough unseen samples": "{preset: MuSR, searchSamples: 706}",
    "another task of almost the same name": "{name: gsm8k_cot, metric: exact_match}",
    "a base model": "{preset: MBPP, name: mergesearch_mbpp, filter: none, chatTemplate: false}",
    "likelihoods and word problems of a base model": "{preset: GSM8K, chatTemplate: false}",
    "chat": "{preset: MBPP}",
}


@pytest.mark.parametrize("task", SUITED.values(), ids=SUITED)
def test_what_suits_the_task_needs_no_advice(task: str) -> None:
    text = minimal("  evaluator: {allowCodeExecution: true}\n").replace(TASK, task)

    examined = manifest.examine(text)

    assert (examined.problems, examined.advice) == ((), ())


def test_code_of_a_task_of_ones_own_may_run_where_it_is_allowed() -> None:
    evaluator = "  evaluator: {allowCodeExecution: true, taskFolders: [{path: tasks}]}\n"

    examined = manifest.examine(minimal(evaluator).replace(TASK, "{name: humaneval, metric: pass_at_1}"))

    assert (examined.problems, examined.advice) == ((), ())


@pytest.mark.parametrize("task", ["{name: IFEVAL, metric: acc}", "{preset: MuSR, searchSamples: 750}"])
def test_tasks_that_may_be_others_than_those_that_are_known_get_no_advice(task: str) -> None:
    examined = manifest.examine(minimal("  evaluator: {taskFolders: [{path: tasks}]}\n").replace(TASK, task))

    assert (examined.problems, examined.advice) == ((), ())
