"""The operator on a real cluster, installed by Helm from images that were built from the Dockerfiles here, and searches
on it: what a user does with kubectl.
"""

import json
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cluster import images, volumes
from cluster.handle import Client
from mergesearch.api.resource import MergeSearch
from support.quickstart import QUICKSTART, REPOSITORY

SYSTEM = "mergesearch-system"
RELEASE = "mergesearch"
CPU = {"REQUIREMENTS": "constraints/evaluator-cpu.txt", "SYSTEM_PACKAGES": "libgomp1 libnuma1"}
"""The evaluator's image for a machine without GPUs."""
CHECKPOINTS = ("reverse", "sort", "swap")
TASKS = ("toy_reverse", "toy_sort", "toy_swap")


def build_images() -> dict[str, str]:
    """The three images, on the cluster's node; nothing is done for what has not changed."""
    recipes = {
        "operator": images.recipe("operator", REPOSITORY / "operator" / "Dockerfile", arguments={}),
        "merger": images.recipe("merger", REPOSITORY / "merger_image" / "Dockerfile", arguments={}),
        "evaluator": images.recipe("evaluator", REPOSITORY / "evaluator_image" / "Dockerfile", arguments=CPU),
    }
    references = images.deliver([images.build(recipe) for recipe in recipes.values()])
    return dict(zip(recipes, references, strict=True))


@dataclass(frozen=True)
class Installation:
    """A release of the chart."""

    cluster: Client
    images: Mapping[str, str]

    def install(self) -> None:
        """Install or upgrade, and wait until the operator is ready."""
        values = ["--set", "workers=4", "--set", "resyncSeconds=20"]
        for key, name in (("image", "operator"), ("searches.merger", "merger"), ("searches.evaluator", "evaluator")):
            repository, tag = self.images[name].rsplit(":", 1)
            values += ["--set", f"{key}.repository={repository}", "--set-string", f"{key}.tag={tag}"]
        chart = str(REPOSITORY / "charts" / "mergesearch")
        options = ["--install", "--namespace", SYSTEM, "--create-namespace", "--wait", "--timeout", "120s"]
        self.helm("upgrade", RELEASE, chart, *options, *values)

    def uninstall(self) -> None:
        """Remove the release; searches stay."""
        self.helm("uninstall", RELEASE, "--namespace", SYSTEM, "--wait")

    def helm(self, *arguments: str) -> str:
        """What helm prints. Raises CalledProcessError."""
        command = [str(self.cluster.programs / "helm"), *arguments]
        done = subprocess.run(command, env=self.cluster.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def kill_operator(self) -> None:
        """End the operator's pod without a moment's grace; the Deployment starts another."""
        self.cluster.kubectl(
            "delete", "pod", "-n", SYSTEM, "-l", "app.kubernetes.io/name=mergesearch", "--grace-period=0", "--force"
        )


@dataclass(frozen=True)
class Place:
    """A namespace with the three claims of the quickstart."""

    cluster: Client
    namespace: str
    workspace: Path

    @classmethod
    def make(cls, cluster: Client, namespace: str, family: Path, workspace: Path) -> "Place":
        """Bind the family, the tasks and an empty workspace to claims."""
        cluster.kubectl("create", "namespace", namespace)
        for claim, folder in (("checkpoints", family), ("tasks", QUICKSTART / "tasks"), ("workspace", workspace)):
            volumes.bind(cluster, namespace, f"quickstart-{claim}", folder)
        return cls(cluster, namespace, workspace)

    def apply(self, document: Mapping[str, Any]) -> None:
        """`kubectl apply -f`."""
        self.cluster.kubectl("apply", "-n", self.namespace, "-f", "-", stdin=json.dumps(document))

    def patch(self, name: str, spec: Mapping[str, Any]) -> None:
        """Change some fields of the spec."""
        body = json.dumps({"spec": spec})
        self.cluster.kubectl("patch", "msearch", name, "-n", self.namespace, "--type=merge", "-p", body)

    def read(self, name: str) -> MergeSearch:
        """The resource as it is now."""
        return MergeSearch.model_validate(self.cluster.get("msearch", name, "-n", self.namespace))

    def wait(self, name: str, condition: str, seconds: int) -> None:
        """`kubectl wait`; where it fails, what a person would look at is told."""
        wanted = f"--for=condition={condition}"
        done = self.cluster.run_kubectl(
            "wait", f"msearch/{name}", "-n", self.namespace, wanted, f"--timeout={seconds}s"
        )
        assert done.returncode == 0, done.stderr + self.describe(name) + self._pods()

    def wait_until(self, name: str, holds: Callable[[MergeSearch], bool], seconds: float) -> MergeSearch:
        """Look twice a second."""
        until = time.monotonic() + seconds
        while not holds(resource := self.read(name)):
            assert time.monotonic() < until, self.describe(name) + self._pods()
            time.sleep(0.5)
        return resource

    def describe(self, name: str) -> str:
        """`kubectl describe`."""
        return self.cluster.kubectl("describe", "msearch", name, "-n", self.namespace)

    def pods(self, stage: str) -> list[str]:
        """Names of the running pods of a stage."""
        selector = f"mergesearch.io/stage={stage}"
        items = self.cluster.get("pods", "-n", self.namespace, "-l", selector)["items"]
        return [item["metadata"]["name"] for item in items if item["status"].get("phase") == "Running"]

    def _pods(self) -> str:
        return self.cluster.kubectl("get", "pods,jobs", "-n", self.namespace, "-o", "wide")


def manifest(name: str, **search: Any) -> dict[str, Any]:
    """The quickstart with three checkpoints, three tasks and few samples; other fields of `spec.search` as given."""
    document: dict[str, Any] = yaml.safe_load((QUICKSTART / "mergesearch.yaml").read_text())
    document["metadata"]["name"] = name
    spec = document["spec"]
    spec["checkpoints"] = [one for one in spec["checkpoints"] if one["name"] in CHECKPOINTS]
    spec["objective"]["tasks"] = [task for task in spec["objective"]["tasks"] if task["name"] in TASKS]
    for task in spec["objective"]["tasks"]:
        task["searchSamples"] = 40
    spec["search"] = {
        "maxEvaluations": 8,
        "algorithm": {"cmaes": {"populationSize": 4}},
        "confirm": {"finalists": 2},
        **search,
    }
    spec["merger"] = {"batch": 4, "pendingDeadlineSeconds": 120}
    spec["evaluator"] |= {"batch": 6, "pendingDeadlineSeconds": 120}
    return document
