"""Everything that the API server checks between fields, in CEL; pure.

These are the checks of `api/check*.py`, as far as CEL says them at a bounded cost, so that a person who applies a
manifest without `mergesearch validate` still hears of a mistake at once. Where a rule is false, its message says what
to do. Only what Kubernetes 1.29 knows is used.
"""

from mergesearch.crd import rules_inputs, rules_pods, rules_search
from mergesearch.crd.cel import Rules

GAPS = {
    "checkpoints_are_different_folders": "One folder for two checkpoints, written in two ways as `a` and `./a`.",
    "task_folders_are_different": "One task folder twice, written in two ways.",
    "samples_are_there": "More samples than a known task, as that of a preset, has documents.",
    "scores_are_there": "A metric or filter that a known task does not have.",
    "known_points_name_checkpoints": (
        "Names of checkpoints in `spec.search.initial`, where points x checkpoints are more than "
        f"{rules_search.MAX_LOOKUPS}."
    ),
    "engine_arguments_mean_something": (
        "Engine arguments that are too large for a number, such as `1e999`; the words NaN and Infinity are refused."
    ),
    "variables_have_names": "Names and values of `env`; it is passed on to pods as it is, as are all fields below.",
    "mounts_have_volumes": "Volumes of pods without a name, and mounts without a volume or a path.",
    "passed_on_fields_are_spelt_right": (
        "Misspelt fields of tolerations, affinity, security contexts, variables, mounts and pull secrets."
    ),
}
"""Checks that the API server makes in part or not at all, by their names in `api/check*.py`, and what it lets pass."""


def by_place() -> Rules:
    """All of them, by the place to which they are attached."""
    found: Rules = {}
    tables = (
        rules_inputs.ROOT,
        rules_inputs.INPUTS,
        rules_inputs.STORAGE,
        rules_search.TASKS,
        rules_search.CODE,
        rules_search.SEARCH,
        rules_pods.STAGES,
        rules_pods.EVALUATOR,
    )
    for table in tables:
        for path, entries in table.items():
            found[path] = (*found.get(path, ()), *entries)
    return found
