"""Jobs as whole documents, kept as YAML; `cd tests && python -m unit.operator.golden_jobs` writes them again."""

from pathlib import Path
from typing import Any

import yaml

from mergesearch.worker import REQUEST_VARIABLE
from mergesearch_operator.manifests import job as jobs
from unit.operator.documents import IMAGES, Document, child_of

FOLDER = Path(__file__).parent / "golden"
PLAIN: dict[str, Any] = {}
FULL: dict[str, Any] = {
    "storage": {
        "checkpoints": {"persistentVolumeClaim": {"claimName": "checkpoints"}},
        "workspace": {"claimTemplate": {"size": "100Gi", "accessModes": ["ReadWriteOnce"]}},
        "volumes": [{"name": "tasks", "persistentVolumeClaim": {"claimName": "task-files"}}],
    },
    "evaluator": {
        "image": "example.org/own@sha256:0",
        "queueName": "gpus",
        "priorityClass": "low",
        "activeDeadlineSeconds": 600,
        "resources": {"requests": {"cpu": "4", "memory": "64Gi"}, "limits": {"nvidia.com/gpu": "2"}},
        "template": {
            "labels": {"team": "nlp"},
            "annotations": {"sidecar.istio.io/inject": "false"},
            "nodeSelector": {"gpu": "h100"},
            "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
            "affinity": {"nodeAffinity": {}},
            "priorityClassName": "batch",
            "runtimeClassName": "nvidia",
            "imagePullSecrets": [{"name": "registry"}],
            "securityContext": {"fsGroup": 1000, "supplementalGroups": [2000]},
            "env": [{"name": "VLLM_LOGGING_LEVEL", "value": "ERROR"}],
            "volumes": [{"name": "certificates", "configMap": {"name": "certificates"}}],
            "volumeMounts": [{"name": "certificates", "mountPath": "/etc/certificates"}],
        },
    },
}
"""Every field that reaches a pod."""
SLICES: dict[str, Any] = {"merger": {"slices": 4, "queueName": "cpus"}}
CODE: dict[str, Any] = {
    "evaluator": {"allowCodeExecution": True, "template": {"securityContext": {"runAsUser": 1000650000}}},
}
CASES = {
    "merge": ("Merge", PLAIN),
    "merge-in-slices": ("Merge", SLICES),
    "evaluate": ("Evaluate", PLAIN),
    "evaluate-with-every-field": ("Evaluate", FULL),
    "evaluate-code": ("Evaluate", CODE),
}


def render(name: str) -> str:
    """The Job of a case; its request, which is the contract's, left out."""
    stage, parts = CASES[name]
    resource, child = child_of(stage, **parts)
    made = jobs.job(resource, child, IMAGES)
    made["metadata"]["annotations"] = dict.fromkeys(made["metadata"]["annotations"], "<digest>")
    for variable in _environment(made):
        if variable["name"] == REQUEST_VARIABLE:
            variable["value"] = "<request>"
    return yaml.safe_dump(made, sort_keys=False, width=120)


def _environment(made: Document) -> list[dict[str, Any]]:
    variables: list[dict[str, Any]] = made["spec"]["template"]["spec"]["containers"][0]["env"]
    return variables


def main() -> None:
    for name in CASES:
        (FOLDER / f"{name}.yaml").write_text(render(name))


if __name__ == "__main__":
    main()
