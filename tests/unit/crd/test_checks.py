"""Which checks of `mergesearch validate` the API server makes as well, and what it lets pass."""

from mergesearch.api import checks
from mergesearch.crd import reference, rules

WHOLE = {
    "name_leaves_room_for_children",
    "checkpoint_names_are_unique",
    "tokenizer_comes_from_a_checkpoint",
    "skipped_weights_leave_some",
    "folders_lie_within_their_volumes",
    "volume_names_are_free",
    "volumes_exist",
    "workspace_is_one_claim",
    "claim_can_be_shared",
    "claim_names_are_names",
    "tasks_are_named_once",
    "task_names_are_unique",
    "task_names_are_file_names",
    "samples_are_chosen_once",
    "sample_ranges_are_apart",
    "code_is_allowed",
    "code_runs_in_the_sandbox",
    "task_weights_have_an_effect",
    "goal_is_above_zero",
    "numbers_are_of_this_world",
    "algorithm_is_one",
    "baselines_are_different",
    "baselines_have_what_they_need",
    "evaluations_fit_into_the_status",
    "generation_fits_into_the_evaluations",
    "finalists_fit_into_the_evaluations",
    "known_points_have_all_scores",
    "images_are_names",
    "references_are_names",
    "priority_belongs_to_a_queue",
    "resources_are_quantities",
    "labels_are_labels",
    "batch_size_belongs_to_hf",
}
"""The API server refuses the same; bad manifests of each are tried on a real one."""


def test_every_check_is_known_to_be_made_by_the_api_server_or_not() -> None:
    assert WHOLE.isdisjoint(rules.GAPS)
    assert WHOLE | set(rules.GAPS) == {check.__name__ for check in checks.CHECKS}


def test_people_are_told_what_the_api_server_lets_pass() -> None:
    page = reference.rules_page()

    assert [sentence for sentence in rules.GAPS.values() if f"- {sentence}\n" not in page] == []


def test_every_refusal_stands_on_the_page() -> None:
    page = reference.rules_page()

    for entries in rules.by_place().values():
        assert [rule["message"] for rule in entries if f"| {rule['message']} |" not in page] == []


def test_every_field_of_the_status_stands_on_its_page() -> None:
    page = reference.status_page()

    assert "| `status.candidates[].fitness` | number | Aggregate of the held-in scores. |" in page
    assert "| `status.conditions[].lastTransitionTime` | time |" in page
    assert "| `status.best.weights` | map of number |" in page
    assert "| `status.preflightDue` | list of `PreflightCheckpoints`, `PreflightTasks`" in page
