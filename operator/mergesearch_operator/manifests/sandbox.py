"""The second container of an evaluator's pod, where code that a model wrote is run; pure.

It sees none of the pod's volumes but an empty folder of its own in memory, and, read-only, the folder in which the
evaluator puts a socket. It is an init container that restarts, which Kubernetes calls a sidecar: it starts before the
evaluator, ends after it, and does not hold the Job.
"""

import zlib
from typing import Any

from mergesearch.contract import EvaluationRequest, PreflightTasksRequest
from mergesearch.lifecycle.children import Child
from mergesearch.worker import SANDBOX_VARIABLE
from mergesearch_operator import constants

SOCKET_VOLUME = "mergesearch-sandbox"
SCRATCH_VOLUME = "mergesearch-sandbox-scratch"
FOLDER = "/run/mergesearch-sandbox"
"""Where both containers find the socket."""
SOCKET = f"{FOLDER}/socket"
RESOURCES = {"requests": {"cpu": "250m", "memory": "1536Mi"}, "limits": {"cpu": "1", "memory": "1536Mi"}}
"""A program may have 1 GiB; the rest is for its files and for what runs it."""
SCRATCH_SIZE = "128Mi"
"""Of memory, for the files of a program."""
USERS = 4096
"""Among so many users each sandbox has its own. The ranges that OpenShift gives to namespaces hold 10,000."""
LAST_USER = 65533
"""Of those that a pod with a user namespace of its own knows, nobody and what stands for no user left out."""


def needed(child: Child) -> bool:
    """Whether the child may run code that a model wrote, or tries whether it could."""
    request = child.request
    return isinstance(request, EvaluationRequest | PreflightTasksRequest) and request.engine.allow_code_execution


def volumes() -> list[dict[str, Any]]:
    """What is added to the pod's volumes."""
    return [
        {"name": SOCKET_VOLUME, "emptyDir": {"sizeLimit": "1Mi"}},
        {"name": SCRATCH_VOLUME, "emptyDir": {"medium": "Memory", "sizeLimit": SCRATCH_SIZE}},
    ]


def mount() -> dict[str, Any]:
    """What is added to the evaluator's mounts."""
    return {"name": SOCKET_VOLUME, "mountPath": FOLDER}


def variable() -> dict[str, str]:
    """How the evaluator is told where to listen."""
    return {"name": SANDBOX_VARIABLE, "value": SOCKET}


def container(child: Child, image: str, pull_policy: str, pod_security: dict[str, Any]) -> dict[str, Any]:
    """The container itself. Nothing of the user's template reaches it, but what holds for the pod as a whole."""
    user = user_beside(pod_security.get("runAsUser"), child.name)
    return {
        "name": constants.SANDBOX_CONTAINER,
        "image": image,
        "imagePullPolicy": pull_policy,
        "restartPolicy": "Always",
        "command": [*constants.SANDBOX_COMMAND, SOCKET],
        "env": [
            {"name": "HOME", "value": constants.SCRATCH},
            {"name": "TMPDIR", "value": constants.SCRATCH},
            # Some container runtimes give all GPUs to whoever does not refuse them.
            {"name": "NVIDIA_VISIBLE_DEVICES", "value": "void"},
        ],
        "resources": RESOURCES,
        "volumeMounts": [
            {**mount(), "readOnly": True},
            {"name": SCRATCH_VOLUME, "mountPath": constants.SCRATCH},
        ],
        # All of it stands here, so that a template that loosens the pod loosens nothing of this.
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": user,
            "runAsGroup": user,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def user_beside(evaluators: object, name: str) -> int:
    """One of the numbers after the evaluator's user, or before it where there are too few after it, so that the two
    differ whatever a template says, and both lie in a range that a cluster may prescribe; beside root, and where the
    template leaves the choice open, beside the image's own.

    Another one for each name: a node counts the threads of a user in all its pods together, so that a program that
    takes all it may would have the programs of other candidates fail.
    """
    chosen = evaluators if isinstance(evaluators, int) and evaluators > 0 else constants.USER
    distance = 1 + zlib.crc32(name.encode()) % USERS
    return chosen - distance if LAST_USER - USERS < chosen <= 0xFFFF else chosen + distance
