"""What the API server checks between fields, in CEL; pure.

These are the checks of `api/check*.py`, as far as CEL says them at a bounded cost, so that a person who applies a
manifest without `mergesearch validate` still hears of a mistake at once. Where a rule is false, its message says what
to do. Only what Kubernetes 1.29 knows is used.
"""

from typing import Any

from mergesearch.api import spec
from mergesearch.api.check_pods import DECIDED_ELSEWHERE
from mergesearch.api.check_search import MAX_SIGMA, MAX_WEIGHT, WEIGHT_TOLERANCE
from mergesearch.api.check_templates import OWN_LABELS
from mergesearch.crd.formats import SUBDOMAIN, rule, text
from mergesearch.files import CHECKPOINTS_VOLUME, WORKSPACE_VOLUME

Rules = dict[str, tuple[dict[str, Any], ...]]

_JOB_NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
_TASK_NAME = r"^[^\s/.,\x00-\x1f][^\s/,\x00-\x1f]*$"
_UPWARDS = r"(^|/)\.\.(/|$)"
_LABEL_NAME = (
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
    r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
)
_LABEL_VALUE = r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$"
_AMOUNT = r"^([0-9]+(\.[0-9]*)?|\.[0-9]+)([EPTGMK]i|[numkMGTPE]|[eE][-+]?[0-9]{1,2})?$"


def _distinct(entry: str = "a") -> str:
    return f"self.all({entry}, self.exists_one(b, b == {entry}))"


ROOT: Rules = {
    "": (
        rule(
            f"size(self.metadata.name) <= {spec.MAX_NAME} && self.metadata.name.matches({text(_JOB_NAME)})",
            f"metadata.name must have at most {spec.MAX_NAME} lower-case letters, digits and -, with a letter or digit "
            "at both ends: the names of Jobs begin with it, so choose a shorter or simpler name",
        ),
    )
}

INPUTS: Rules = {
    "spec": (
        rule(
            "!has(self.merge.tokenizerFrom) || self.checkpoints.exists(c, c.name == self.merge.tokenizerFrom)",
            "spec.merge.tokenizerFrom must name one of spec.checkpoints",
            messageExpression="'no checkpoint is called ' + self.merge.tokenizerFrom + ': spec.merge.tokenizerFrom "
            "must name one of spec.checkpoints'",
            fieldPath=".merge.tokenizerFrom",
        ),
        rule(
            "double(self.merge.skipBelow) * double(size(self.checkpoints)) < 1.0",
            "all weights of a merge could lie below spec.merge.skipBelow: it must be less than 1 divided by the number "
            'of checkpoints, such as the default "0.001"',
            fieldPath=".merge.skipBelow",
        ),
        rule(
            "self.objective.tasks.all(t, !self.heldOut.tasks.exists(h, h.name == t.name))",
            "a task is either optimised or held out: remove it from spec.objective.tasks or from spec.heldOut.tasks",
            fieldPath=".heldOut.tasks",
        ),
        rule(
            f"self.checkpoints.all(c, c.volume == '{CHECKPOINTS_VOLUME}' || "
            "self.storage.volumes.exists(v, v.name == c.volume))",
            f"the volume of a checkpoint must be {CHECKPOINTS_VOLUME} or one of spec.storage.volumes",
            fieldPath=".checkpoints",
        ),
        rule(
            f"self.evaluator.taskFolders.all(f, f.volume == '{CHECKPOINTS_VOLUME}' || "
            "self.storage.volumes.exists(v, v.name == f.volume))",
            f"the volume of a task folder must be {CHECKPOINTS_VOLUME} or one of spec.storage.volumes",
            fieldPath=".evaluator.taskFolders",
        ),
        rule(
            "!has(self.storage.workspace.claimTemplate) || self.search.parallelism == 1 || "
            "!('ReadWriteOncePod' in self.storage.workspace.claimTemplate.accessModes)",
            "with ReadWriteOncePod one pod at a time can mount the workspace: set spec.search.parallelism to 1, or "
            "spec.storage.workspace.claimTemplate.accessModes to [ReadWriteMany]",
            fieldPath=".search.parallelism",
        ),
    ),
    "spec.checkpoints": (
        rule(
            "self.all(c, self.exists_one(d, d.path == c.path && d.volume == c.volume))",
            "two checkpoints are the same folder of the same volume: each must have a folder of its own",
        ),
    ),
    "spec.checkpoints[*].path": (
        rule(f"!self.matches({text(_UPWARDS)})", "a path with .. may lead out of its volume: write it without"),
    ),
    "spec.evaluator.taskFolders": (
        rule(
            "self.all(c, self.exists_one(d, d.path == c.path && d.volume == c.volume))",
            "two task folders are the same folder of the same volume: name each once",
        ),
    ),
    "spec.evaluator.taskFolders[*].path": (
        rule(f"!self.matches({text(_UPWARDS)})", "a path with .. may lead out of its volume: write it without"),
    ),
}

STORAGE: Rules = {
    "spec.storage.workspace": (
        rule(
            "has(self.persistentVolumeClaim) != has(self.claimTemplate)",
            "the workspace is one claim to write to: set exactly one of persistentVolumeClaim and claimTemplate",
        ),
    ),
    "spec.storage.workspace.claimTemplate.accessModes": (
        rule(_distinct(), "an access mode stands here twice: name each once"),
        rule(
            "!('ReadWriteOncePod' in self) || size(self) == 1",
            "ReadWriteOncePod allows no other mode beside it: name it alone, or others",
        ),
    ),
    "spec.storage.volumes[*].name": (
        rule(
            f"!(self in ['{CHECKPOINTS_VOLUME}', '{WORKSPACE_VOLUME}'])",
            f"the names {CHECKPOINTS_VOLUME} and {WORKSPACE_VOLUME} are those of spec.storage.{CHECKPOINTS_VOLUME} and "
            f"spec.storage.{WORKSPACE_VOLUME}: choose another one",
        ),
    ),
}

_TASK_NAME_RULE = rule(
    f"self.matches({text(_TASK_NAME)})",
    "the name of a task has no spaces, / and commas and does not begin with a dot: files are called after it",
)
_NOT_BLANK = rule(r"self.matches(r'\S')", "this name is empty: write one, or leave the field out")

TASKS: Rules = {
    "spec.objective": (
        rule(
            "self.aggregate == 'WeightedMean' || self.tasks.all(t, double(t.weight) == 1.0)",
            "only the aggregate WeightedMean reads the weights of tasks: set spec.objective.aggregate to WeightedMean, "
            "or remove the weights",
            fieldPath=".aggregate",
        ),
    ),
    "spec.objective.goal": (
        rule("double(self) > 0.0", 'every candidate reaches a goal of 0: set one above 0, such as "0.70", or none'),
    ),
    "spec.objective.tasks[*]": (
        rule(
            "!has(self.searchSamples) || !has(self.samples)",
            "searchSamples and samples both choose the samples: remove one of them",
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
            f"double(self) >= {1 / MAX_WEIGHT:f} && double(self) <= {MAX_WEIGHT:.1f}",
            f"this weight is too small or too large: it must lie between {1 / MAX_WEIGHT:g} and {MAX_WEIGHT}",
        ),
    ),
    "spec.heldOut.tasks[*].name": (_TASK_NAME_RULE,),
    "spec.heldOut.tasks[*].metric": (_NOT_BLANK,),
    "spec.heldOut.tasks[*].filter": (_NOT_BLANK,),
}


def _generation(algorithm: str) -> dict[str, Any]:
    size = f"algorithm.{algorithm}.populationSize"
    return rule(
        f"!has(self.algorithm.{algorithm}) || !has(self.{size}) || self.{size} <= self.maxEvaluations",
        f"no generation would ever be complete: {size} must be at most maxEvaluations",
        fieldPath=f".{size}",
    )


SEARCH: Rules = {
    "spec": (
        rule(
            f"size(self.checkpoints) * self.search.maxEvaluations <= {spec.MAX_PRODUCT}",
            "the status would grow too large: the number of checkpoints x spec.search.maxEvaluations must be at most "
            f"{spec.MAX_PRODUCT}, so lower maxEvaluations or leave checkpoints out",
            fieldPath=".search.maxEvaluations",
        ),
        rule(
            "self.search.initial.all(p, p.weights.all(w, self.checkpoints.exists(c, c.name == w)))",
            "the weights of spec.search.initial must name checkpoints of spec.checkpoints: correct or remove others",
            fieldPath=".search.initial",
        ),
        rule(
            "self.search.initial.all(p, size(p.scores) == size(self.objective.tasks) && "
            "self.objective.tasks.all(t, t.name in p.scores))",
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
            f"double(self) <= {MAX_SIGMA}.0",
            f"this step is too large: it must be at most {MAX_SIGMA}, and 0.7 is usual",
        ),
    ),
    "spec.search.baselines": (
        rule(_distinct(), "a baseline stands here twice: name each once"),
        rule(
            "!self.exists(b, b in ['MergeBest', 'Greedy']) || 'Checkpoints' in self",
            "MergeBest and Greedy follow from the scores of the checkpoints: add Checkpoints, or remove them",
        ),
    ),
    "spec.search.initial[*].weights": (
        rule(
            f"self.map(w, double(self[w])).sum() > {1 - WEIGHT_TOLERANCE} && "
            f"self.map(w, double(self[w])).sum() < {1 + WEIGHT_TOLERANCE}",
            "these are not the weights of a merge: they must sum to 1",
        ),
    ),
}


def _subdomain(*paths: str) -> Rules:
    message = "must have lower-case letters, digits, - and ., with a letter or digit at both ends"
    return {path: (rule(f"self.matches({text(SUBDOMAIN)})", message),) for path in paths}


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
    } | _subdomain(
        f"{path}.queueName",
        f"{path}.priorityClass",
        f"{path}.template.priorityClassName",
        f"{path}.template.runtimeClassName",
    )


_ELSEWHERE = ", ".join(f"'{name}'" for name in DECIDED_ELSEWHERE)

PODS: Rules = (
    _stage("spec.merger")
    | _stage("spec.evaluator")
    | _subdomain(
        "spec.storage.checkpoints.persistentVolumeClaim.claimName",
        "spec.storage.workspace.persistentVolumeClaim.claimName",
        "spec.storage.volumes[*].persistentVolumeClaim.claimName",
    )
    | {
        "spec.storage.workspace.claimTemplate.storageClassName": (
            rule(
                f"self == '' || self.matches({text(SUBDOMAIN)})",
                "must have lower-case letters, digits, - and ., with a letter or digit at both ends",
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
)
_EVALUATOR: Rules = {
    "spec.evaluator": (
        rule(
            "!has(self.batchSize) || self.backend == 'hf'",
            "vLLM decides by itself how many prompts it answers at once: remove batchSize, or set the backend to hf; "
            "candidates per process are spec.evaluator.batch",
            fieldPath=".batchSize",
        ),
    ),
}


def by_place() -> Rules:
    """All of them, by the place to which they are attached."""
    found: Rules = {}
    for table in (ROOT, INPUTS, STORAGE, TASKS, SEARCH, PODS, _EVALUATOR):
        for path, entries in table.items():
            found[path] = (*found.get(path, ()), *entries)
    return {path: entries for path, entries in found.items() if entries}
