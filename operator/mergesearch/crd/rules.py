"""Everything that the API server checks between fields, in CEL; pure.

These are the checks of `api/check*.py`, as far as CEL says them at a bounded cost, so that a person who applies a
manifest without `mergesearch validate` still hears of a mistake at once. Where a rule is false, its message says what
to do. Only what Kubernetes 1.29 knows is used.
"""

from mergesearch.crd import rules_inputs, rules_pods, rules_search
from mergesearch.crd.cel import Rules


def by_place() -> Rules:
    """All of them, by the place to which they are attached."""
    found: Rules = {}
    tables = (
        rules_inputs.ROOT,
        rules_inputs.INPUTS,
        rules_inputs.STORAGE,
        rules_search.TASKS,
        rules_search.SEARCH,
        rules_pods.STAGES,
        rules_pods.EVALUATOR,
    )
    for table in tables:
        for path, entries in table.items():
            found[path] = (*found.get(path, ()), *entries)
    return found
