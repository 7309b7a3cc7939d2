"""Which checks of `mergesearch validate` the API server makes as well, and what it leaves to others."""

from mergesearch.api import checks

WHOLE = "the API server refuses the same"
CHECKS = {
    "name_leaves_room_for_children": WHOLE,
    "checkpoint_names_are_unique": WHOLE,
    "checkpoints_are_different_folders": "`a` and `./a` are not seen as one: CEL cannot normalise a path",
    "tokenizer_comes_from_a_checkpoint": WHOLE,
    "skipped_weights_leave_some": WHOLE,
    "folders_lie_within_their_volumes": WHOLE,
    "task_folders_are_different": "`a` and `./a` are not seen as one: CEL cannot normalise a path",
    "volume_names_are_free": WHOLE,
    "volumes_exist": WHOLE,
    "workspace_is_one_claim": WHOLE,
    "claim_can_be_shared": WHOLE,
    "claim_names_are_names": WHOLE,
    "task_names_are_unique": WHOLE,
    "task_names_are_file_names": WHOLE,
    "samples_are_chosen_once": WHOLE,
    "sample_ranges_are_apart": WHOLE,
    "task_weights_have_an_effect": WHOLE,
    "goal_is_above_zero": WHOLE,
    "numbers_are_of_this_world": WHOLE,
    "algorithm_is_one": WHOLE,
    "baselines_are_different": WHOLE,
    "baselines_have_what_they_need": WHOLE,
    "evaluations_fit_into_the_status": WHOLE,
    "generation_fits_into_the_evaluations": WHOLE,
    "finalists_fit_into_the_evaluations": WHOLE,
    "known_points_name_checkpoints": "the names only of at most 2048 points x checkpoints: a rule must not take long",
    "known_points_have_all_scores": WHOLE,
    "images_are_names": WHOLE,
    "references_are_names": WHOLE,
    "priority_belongs_to_a_queue": WHOLE,
    "resources_are_quantities": WHOLE,
    "labels_are_labels": WHOLE,
    "variables_have_names": "not at all: what is passed on to pods has no schema, so CEL does not see it",
    "mounts_have_volumes": "not at all: what is passed on to pods has no schema, so CEL does not see it",
    "passed_on_fields_are_spelt_right": "not at all: what is passed on to pods has no schema, so CEL does not see it",
    "batch_size_belongs_to_hf": WHOLE,
    "engine_arguments_mean_something": "the words NaN and Infinity alone: CEL cannot read JSON",
}
"""By the check's name. What is passed on to pods, the API server looks at when it is asked for a Job."""


def test_every_check_is_known_to_be_made_by_the_api_server_or_not() -> None:
    assert set(CHECKS) == {check.__name__ for check in checks.CHECKS}
