"""What the API server checks of a search's name, checkpoints and volumes, in CEL; pure. The checks of
`api/check_inputs.py` and `api/check_volumes.py`.
"""

from mergesearch.api import spec
from mergesearch.crd.cel import SUBDOMAIN, Rules, distinct, number, objective_names, rule, subdomains, task_name, text
from mergesearch.files import CHECKPOINTS_VOLUME, WORKSPACE_VOLUME

_JOB_NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
_UPWARDS = r"(^|/)\.\.(/|$)"

ROOT: Rules = {
    "": (
        rule(
            f"size(self.metadata.name) <= {spec.MAX_NAME} && self.metadata.name.matches({text(_JOB_NAME)})",
            f"metadata.name must have at most {spec.MAX_NAME} lower-case letters, digits and -, with a letter or digit "
            "at both ends: the names of Jobs begin with it, so choose a shorter or simpler name",
            fieldPath=".metadata.name",
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
            number("self.merge.skipBelow", "* double(size(self.checkpoints)) < 1.0"),
            "all weights of a merge could lie below spec.merge.skipBelow: it must be less than 1 divided by the number "
            'of checkpoints, such as the default "0.001"',
            fieldPath=".merge.skipBelow",
        ),
        rule(
            f"!self.heldOut.tasks.exists(h, {task_name('h')} in {objective_names('self.objective')})",
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
        rule(
            "!has(self.storage.workspace.claimTemplate) || self.merger.slices == 1 || "
            "!('ReadWriteOncePod' in self.storage.workspace.claimTemplate.accessModes)",
            "with ReadWriteOncePod one pod at a time can mount the workspace: set spec.merger.slices to 1, or "
            "spec.storage.workspace.claimTemplate.accessModes to [ReadWriteMany]",
            fieldPath=".merger.slices",
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
        rule(distinct(), "an access mode stands here twice: name each once"),
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
    "spec.storage.workspace.claimTemplate.storageClassName": (
        rule(
            f"self == '' || self.matches({text(SUBDOMAIN)})",
            "must have lower-case letters, digits, - and ., with a letter or digit at both ends",
        ),
    ),
} | subdomains(
    "spec.storage.checkpoints.persistentVolumeClaim.claimName",
    "spec.storage.workspace.persistentVolumeClaim.claimName",
    "spec.storage.volumes[*].persistentVolumeClaim.claimName",
)
