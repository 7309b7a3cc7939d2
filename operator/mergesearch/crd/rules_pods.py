"""What the API server checks of the processes of the two stages, in CEL; pure. The checks of `api/check_pods.py`, and
those of `api/check_templates.py` that look at texts only: what is passed on to pods as it is, CEL does not see.
"""

from mergesearch.api.check_pods import DECIDED_ELSEWHERE
from mergesearch.api.check_templates import OWN_LABELS
from mergesearch.crd.cel import Rules, rule, subdomains, text

_LABEL_NAME = (
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
    r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
)
_LABEL_VALUE = r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$"
_AMOUNT = r"^([0-9]+(\.[0-9]*)?|\.[0-9]+)([EPTGMK]i|[numkMGTPE]|[eE][-+]?[0-9]{1,2})?$"
_ELSEWHERE = ", ".join(f"'{name}'" for name in DECIDED_ELSEWHERE)


def _stage(path: str) -> Rules:
    quantity = rule(
        f"self.all(n, self[n].matches({text(_AMOUNT)}) && isQuantity(self[n]) && "
        "(!n.contains('/') || quantity(self[n]).isInteger()))",
        'every amount must be a quantity such as "4", "500m" or "16Gi", and of a device such as nvidia.com/gpu a whole '
        "number",
    )
    label = rule(
        f"self.all(n, n.matches({text(_LABEL_NAME)}) && self[n].matches({text(_LABEL_VALUE)}))",
        "labels have names like team or example.com/team, and values of at most 63 letters, digits, -, _ and ., with a "
        "letter or digit at both ends",
    )
    return {
        path: (
            rule(
                "!has(self.priorityClass) || has(self.queueName)",
                "this is a priority in Kueue's queue: set queueName beside it, or the pods' own priority by "
                "template.priorityClassName",
                fieldPath=".priorityClass",
            ),
        ),
        f"{path}.image": (
            rule(r"self.matches(r'^\S+$')", "an image has no spaces; leave it out to take the operator's default"),
        ),
        f"{path}.resources.requests": (quantity,),
        f"{path}.resources.limits": (quantity,),
        f"{path}.resources": (
            rule(
                "self.requests.all(n, n in self.limits ? (!isQuantity(self.requests[n]) || !isQuantity(self.limits[n]) "
                "|| (n.contains('/') ? quantity(self.requests[n]).compareTo(quantity(self.limits[n])) == 0 : "
                "quantity(self.requests[n]).compareTo(quantity(self.limits[n])) <= 0)) : !n.contains('/'))",
                "a request must not be above its limit, and of a device such as nvidia.com/gpu it must equal its "
                "limit: lower the request, or set devices in limits alone",
            ),
        ),
        f"{path}.template.labels": (
            label,
            rule(
                f"!self.exists(n, n.startsWith('{OWN_LABELS}'))",
                f"labels of {OWN_LABELS} are set by the operator: choose another name",
            ),
        ),
        f"{path}.template.nodeSelector": (label,),
        f"{path}.template.annotations": (
            rule(
                f"self.all(n, n.matches({text(_LABEL_NAME)}))",
                "annotations have names like team or example.com/team",
            ),
        ),
    } | subdomains(
        f"{path}.queueName",
        f"{path}.priorityClass",
        f"{path}.template.priorityClassName",
        f"{path}.template.runtimeClassName",
    )


STAGES: Rules = _stage("spec.merger") | _stage("spec.evaluator")

EVALUATOR: Rules = {
    "spec.evaluator": (
        rule(
            "!has(self.batchSize) || self.backend == 'hf'",
            "vLLM decides by itself how many prompts it answers at once: remove batchSize, or set the backend to hf; "
            "candidates per process are spec.evaluator.batch",
            fieldPath=".batchSize",
        ),
    ),
    "spec.evaluator.engineArgs": (
        rule(
            f"!self.exists(n, n in [{_ELSEWHERE}])",
            "some of these are decided by other fields: remove "
            + ", ".join(f"{name} ({field})" for name, field in DECIDED_ELSEWHERE.items()),
        ),
        rule(
            "!self.exists(n, self[n] in ['True', 'False'])",
            "the backend would take True and False for texts: write true and false",
        ),
        rule(
            "!self.exists(n, self[n] in ['NaN', 'Infinity', '-Infinity'])",
            "an argument is not a finite number: write a finite number, true, false or a text",
        ),
    ),
}
