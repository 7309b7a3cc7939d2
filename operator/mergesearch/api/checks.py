"""Everything that can be said about a manifest without a cluster, a model or a file, once each field is valid by
itself; pure.

Each check is named as the fact that has to hold and yields a Problem where it does not. All of them are asked, in this
order, so that a person sees every problem at once.
"""

from collections.abc import Callable, Iterable, Iterator

from mergesearch.api import (
    advice,
    advice_tasks,
    check_inputs,
    check_pods,
    check_search,
    check_tasks,
    check_templates,
    check_volumes,
)
from mergesearch.api.problem import Path, Problem, overlap, split
from mergesearch.api.resource import MergeSearch

Check = Callable[[MergeSearch], Iterator[Problem]]

CHECKS: tuple[Check, ...] = (
    check_inputs.name_leaves_room_for_children,
    check_inputs.checkpoint_names_are_unique,
    check_inputs.checkpoints_are_different_folders,
    check_inputs.tokenizer_comes_from_a_checkpoint,
    check_inputs.skipped_weights_leave_some,
    check_volumes.folders_lie_within_their_volumes,
    check_volumes.task_folders_are_different,
    check_volumes.volume_names_are_free,
    check_volumes.volumes_exist,
    check_volumes.workspace_is_one_claim,
    check_volumes.claim_can_be_shared,
    check_volumes.claim_names_are_names,
    check_inputs.tasks_are_named_once,
    check_inputs.task_names_are_unique,
    check_inputs.task_names_are_file_names,
    check_inputs.samples_are_chosen_once,
    check_inputs.sample_ranges_are_apart,
    check_tasks.samples_are_there,
    check_tasks.scores_are_there,
    check_tasks.code_is_allowed,
    check_tasks.code_runs_in_the_sandbox,
    check_search.task_weights_have_an_effect,
    check_search.goal_is_above_zero,
    check_search.numbers_are_of_this_world,
    check_search.algorithm_is_one,
    check_search.baselines_are_different,
    check_search.baselines_have_what_they_need,
    check_search.evaluations_fit_into_the_status,
    check_search.generation_fits_into_the_evaluations,
    check_search.finalists_fit_into_the_evaluations,
    check_search.known_points_name_checkpoints,
    check_search.known_points_have_all_scores,
    check_pods.images_are_names,
    check_pods.references_are_names,
    check_pods.priority_belongs_to_a_queue,
    check_pods.resources_are_quantities,
    check_templates.labels_are_labels,
    check_templates.variables_have_names,
    check_templates.mounts_have_volumes,
    check_templates.passed_on_fields_are_spelt_right,
    check_pods.batch_size_belongs_to_hf,
    check_pods.engine_arguments_mean_something,
)

ADVICE: tuple[Check, ...] = (
    advice.search_is_meant_to_wait,
    advice.generations_come_out_even,
    advice.evaluators_have_work,
    advice.merges_reach_the_evaluators,
    advice.known_points_are_used,
    advice.warm_start_has_history,
    advice.winner_has_rivals,
    advice.aggregate_is_understood,
    advice.finalists_find_room,
    advice.patience_can_run_out,
    advice.claim_keeps_pods_apart,
    advice.gpu_hours_are_counted,
    advice.deadline_fits_into_the_duration,
    advice_tasks.code_may_run,
    advice_tasks.unseen_samples_are_many,
    advice_tasks.task_names_are_spelt_right,
    advice_tasks.known_tasks_are_meant,
    advice_tasks.prompts_suit_the_model,
)


def check(resource: MergeSearch, broken: Iterable[Path] = ()) -> list[Problem]:
    """All that does not hold. What rests on a place in `broken` is left out: nothing is known about it."""
    return _ask(CHECKS, resource, tuple(broken))


def advise(resource: MergeSearch, broken: Iterable[Path] = ()) -> list[Problem]:
    """All that is allowed but seldom meant."""
    return _ask(ADVICE, resource, tuple(broken))


def _ask(asked: tuple[Check, ...], resource: MergeSearch, broken: tuple[Path, ...]) -> list[Problem]:
    found = (problem for one in asked for problem in one(resource))
    return [problem for problem in found if not _is_doubtful(problem, broken)]


def _is_doubtful(problem: Problem, broken: tuple[Path, ...]) -> bool:
    """Whether the problem lies within a broken place, or rests on one."""
    here = split(problem.path)
    return any(len(place) <= len(here) and overlap(place, here) for place in broken) or any(
        overlap(place, split(other)) for place in broken for other in problem.rests_on
    )
