"""The pod of a launch: one container without rights, whose request stands in its environment, and where models may
write code another that runs it; pure.
"""

from typing import Any

from mergesearch.api import base
from mergesearch.api.resource import MergeSearch
from mergesearch.api.spec import Stage as StageSpec
from mergesearch.lifecycle import roles
from mergesearch.lifecycle.children import Child
from mergesearch.worker import REQUEST_VARIABLE, TERMINATION_LOG_VARIABLE
from mergesearch_operator import constants
from mergesearch_operator.manifests import sandbox, volumes
from mergesearch_operator.settings import Images

ENVIRONMENT = {
    "HOME": constants.SCRATCH,
    "TMPDIR": constants.SCRATCH,
    "XDG_CACHE_HOME": f"{constants.SCRATCH}/cache",
    TERMINATION_LOG_VARIABLE: constants.TERMINATION_LOG,
}
"""Everything that would write beside the workspace writes into the scratch folder."""
HEAVY = ("merge", "evaluate")
"""Kinds of requests that get the GPUs of their stage."""


def stage_of(resource: MergeSearch, child: Child) -> StageSpec:
    """The part of the spec that says how the child runs."""
    return roles.part_of(resource.spec, child.launch.stage)


def pod_spec(resource: MergeSearch, child: Child, images: Images) -> dict[str, Any]:
    """The whole spec of the pod. Its deadline counts from when it starts, so that waiting in a queue spends none."""
    stage = stage_of(resource, child)
    template = stage.template
    security = _pod_security(template.security_context or {})
    image, coding = _image(child, stage, images), sandbox.needed(child)
    optional = {
        "initContainers": [sandbox.container(child, image, images.pull_policy, security)] if coding else [],
        "nodeSelector": dict(template.node_selector),
        "tolerations": list(template.tolerations),
        "affinity": volumes.affinity(resource, template.affinity),
        "priorityClassName": template.priority_class_name,
        "runtimeClassName": template.runtime_class_name,
        "imagePullSecrets": list(template.image_pull_secrets),
    }
    return {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": child.deadline_seconds,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": security,
        "containers": [_container(resource, child, stage, images)],
        "volumes": [*volumes.volumes(resource), *(sandbox.volumes() if coding else []), *template.volumes],
        **{name: value for name, value in optional.items() if value},
    }


def _container(resource: MergeSearch, child: Child, stage: StageSpec, images: Images) -> dict[str, Any]:
    command = constants.EVALUATOR_COMMAND if child.evaluator else constants.MERGER_COMMAND
    environment = [{"name": name, "value": value} for name, value in ENVIRONMENT.items()]
    # Temporary names carry the pod's UID: an old pod that still writes cannot touch its successor's files.
    writer = {"name": "MERGESEARCH_WRITER", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}}
    request = {"name": REQUEST_VARIABLE, "value": child.request.to_json()}
    coding = sandbox.needed(child)
    own = [writer, sandbox.variable(), request] if coding else [writer, request]
    return {
        "name": constants.CONTAINER,
        "image": _image(child, stage, images),
        "imagePullPolicy": images.pull_policy,
        "command": list(command),
        "env": [*environment, *stage.template.env, *own],
        "resources": _resources(child, stage),
        "volumeMounts": [
            *volumes.mounts(resource),
            *([sandbox.mount()] if coding else []),
            *stage.template.volume_mounts,
        ],
        "terminationMessagePath": constants.TERMINATION_LOG,
        # Where the process was killed before it could say anything, the end of its log says what it can.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _image(child: Child, stage: StageSpec, images: Images) -> str:
    return stage.image or (images.evaluator if child.evaluator else images.merger)


def _resources(child: Child, stage: StageSpec) -> dict[str, dict[str, str]]:
    """Those of the stage; what only looks at headers or at scores gets no GPU."""
    heavy = child.request.kind in HEAVY
    both = {"requests": stage.resources.requests, "limits": stage.resources.limits}
    return {
        part: {name: amount for name, amount in amounts.items() if heavy or not base.GPU.fullmatch(name)}
        for part, amounts in both.items()
    }


def _pod_security(own: dict[str, Any]) -> dict[str, Any]:
    default = {
        "runAsNonRoot": True,
        "runAsUser": constants.USER,
        "runAsGroup": constants.USER,
        "fsGroup": constants.USER,
        # Changing the owner of every file of a checkpoint volume at every start would take hours.
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    return default | own
