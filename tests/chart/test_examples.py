"""The examples for clusters are taken as they are, and the commands that lead to them name what is there."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from chart.helm import container, render
from cluster import settings, waiting
from cluster.handle import Cluster
from mergesearch.api import manifest
from mergesearch_merger import estimate
from mergesearch_merger import settings as settings_of_merger

EXAMPLES = settings.ROOT / "examples" / "cluster"
QUICKSTART = settings.ROOT / "examples" / "quickstart"
PAPER = settings.ROOT / "examples" / "paper"
PAPER_SCALE = ("02", "04", "08", "16")
README = (settings.ROOT / "README.md").read_text()


def test_an_api_server_takes_the_search_and_its_claims(
    serving_cluster: Cluster, namespaces: Callable[[str], str]
) -> None:
    files = sorted(EXAMPLES.rglob("*.yaml"))
    flags = [word for path in files for word in ("-f", str(path))]
    said = serving_cluster.kubectl(
        *("apply", "--dry-run=server", "--validate=strict", "--namespace", namespaces("example")), *flags
    )
    assert said.splitlines() == [
        "pod/copy created (server dry run)",
        "mergesearch.mergesearch.io/chat-public created (server dry run)",
        "persistentvolumeclaim/huggingface created (server dry run)",
        "mergesearch.mergesearch.io/chat created (server dry run)",
        "validatingadmissionpolicy.admissionregistration.k8s.io/mergesearch-gpu-hours created (server dry run)",
        "validatingadmissionpolicybinding.admissionregistration.k8s.io/mergesearch-gpu-hours created (server dry run)",
        "persistentvolumeclaim/checkpoints created (server dry run)",
        "persistentvolumeclaim/merges created (server dry run)",
    ]


def test_the_pod_that_copies_passes_the_restricted_standard(
    serving_cluster: Cluster, namespaces: Callable[[str], str]
) -> None:
    namespace = namespaces("restricted")
    serving_cluster.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    serving_cluster.kubectl("apply", "--dry-run=server", "--namespace", namespace, "-f", str(EXAMPLES / "copy.yaml"))


HOURS: dict[str, tuple[str, bool]] = {"none": ("null", False), "too many": ('"201"', False), "few": ('"40"', True)}


@pytest.fixture
def policy(serving_cluster: Cluster) -> Iterator[Callable[[], str]]:
    """Applies the policy; it is gone after the test."""
    file = ("-f", str(EXAMPLES / "policy" / "gpu-hours.yaml"))
    yield lambda: serving_cluster.kubectl("apply", *file)
    serving_cluster.kubectl("delete", *file)


@pytest.mark.parametrize(("hours", "taken"), HOURS.values(), ids=HOURS.keys())
def test_the_policy_asks_for_gpu_hours_and_lets_other_edits_of_older_searches_pass(
    serving_cluster: Cluster, namespaces: Callable[[str], str], policy: Callable[[], str], hours: str, taken: bool
) -> None:
    here = ("--namespace", namespaces("budgets"))
    chat = (EXAMPLES / "mergesearch.yaml").read_text().replace('maxGpuHours: "40"', 'maxGpuHours: "900"')
    serving_cluster.kubectl("create", *here, "-f", "-", stdin=chat)
    policy()
    serving_cluster.kubectl("label", "namespace", here[1], "mergesearch.io/gpu-hours=required")
    another = ("create", *here, "--dry-run=server", "-f", "-")
    new = chat.replace("name: chat\n", "name: another\n")
    waiting.until("the policy holds", lambda: serving_cluster.run_kubectl(*another, stdin=new).returncode != 0)

    edit = ("patch", "msearch", "chat", *here, "--type", "merge", "-p")
    serving_cluster.kubectl(*edit, '{"spec": {"suspend": true}}')
    created = serving_cluster.run_kubectl(*another, stdin=new.replace('"900"', hours))
    changed = serving_cluster.run_kubectl(*edit, f'{{"spec": {{"search": {{"maxGpuHours": {hours}}}}}}}')
    for done in (created, changed):
        assert (done.returncode == 0) == taken, done.stderr
        assert taken or "set spec.search.maxGpuHours" in done.stderr


CLAIMS = {"": ("checkpoints", "merges"), "huggingface": ("huggingface",)}


@pytest.mark.parametrize("folder", CLAIMS, ids=["plain", "huggingface"])
def test_a_search_has_no_problem_and_finds_its_claims(folder: str) -> None:
    text = (EXAMPLES / folder / "mergesearch.yaml").read_text()
    assert list(manifest.problems(text)) == []
    for claim in CLAIMS[folder]:
        assert f"claimName: {claim}" in text
        assert f"name: {claim}\n" in (EXAMPLES / folder / "storage.yaml").read_text()


@pytest.mark.parametrize("folder", CLAIMS, ids=["plain", "huggingface"])
def test_the_memory_of_the_merger_is_what_it_takes_and_not_many_times_as_much(folder: str) -> None:
    merger = yaml.safe_load((EXAMPLES / folder / "mergesearch.yaml").read_text())["spec"]["merger"]["resources"]
    asked, allowed = (settings_of_merger.size(merger[part]["memory"]) for part in ("requests", "limits"))
    sizes = estimate.of_numbers(8 * 10**9, 16, "BF16", "BF16", 5 * 2**30)
    share = int(allowed * settings_of_merger.MEMORY_SHARE)
    machine = estimate.Machine(int(merger["requests"]["cpu"]), share, 1e9, 1e9)
    taken = estimate.estimate(sizes, machine, candidates=8).memory_bytes
    assert taken is not None
    assert taken <= asked <= 8 * taken


def test_an_api_server_takes_the_papers_experiments_and_lists_those_of_the_scale(
    serving_cluster: Cluster, namespaces: Callable[[str], str]
) -> None:
    here = ("--namespace", namespaces("paper"))
    flags = ("-f", str(PAPER), "--recursive")
    said = serving_cluster.kubectl("apply", "--dry-run=server", "--validate=strict", *here, *flags)
    names = ["mbpp-ifeval-gsm8k", "mbpp-ifeval", "mbpp-musr", "mmlu-pro-ifeval", *(f"scale-{n}" for n in PAPER_SCALE)]
    assert said.splitlines() == [f"mergesearch.mergesearch.io/paper-{name} created (server dry run)" for name in names]

    # As the README has it: one command starts them, one prints all of them, for a table.
    serving_cluster.kubectl("apply", *here, "-f", str(PAPER / "scale"))
    listed = serving_cluster.kubectl("get", "mergesearch", *here, "--selector", "experiment=paper-scale", "-o", "yaml")
    found = [entry["metadata"]["name"] for entry in yaml.safe_load(listed)["items"]]
    assert found == [f"paper-scale-{n}" for n in PAPER_SCALE]
    program = [sys.executable, "-P", "-m", "mergesearch_cli.app", "compare", "-", "--output", "csv"]
    done = subprocess.run(program, input=listed, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [line.split(",")[:3:2] for line in done.stdout.splitlines()[1:]] == [
        [name, str(int(n))] for name, n in zip(found, PAPER_SCALE, strict=True)
    ]


def test_an_api_server_takes_the_quickstart_and_its_volumes(serving_cluster: Cluster) -> None:
    files = ("-f", str(QUICKSTART / "volumes.yaml"), "-f", str(QUICKSTART / "mergesearch.yaml"))
    said = serving_cluster.kubectl("apply", "--dry-run=server", "--validate=strict", *files)
    assert [line.partition(" ")[0] for line in said.splitlines()] == [
        "persistentvolume/quickstart-checkpoints",
        "persistentvolume/quickstart-tasks",
        "persistentvolumeclaim/quickstart-checkpoints",
        "persistentvolumeclaim/quickstart-tasks",
        "persistentvolumeclaim/quickstart-workspace",
        "mergesearch.mergesearch.io/quickstart",
    ]


def test_the_quickstarts_cluster_has_what_its_volumes_hold_and_its_search_names() -> None:
    (node,) = yaml.safe_load((QUICKSTART / "kind.yaml").read_text())["nodes"]
    mounted = {mount["containerPath"]: mount["hostPath"] for mount in node["extraMounts"]}
    assert mounted == {"/quickstart/checkpoints": ".demo/family-0", "/quickstart/tasks": "examples/quickstart/tasks"}
    made = list(yaml.safe_load_all((QUICKSTART / "volumes.yaml").read_text()))
    volumes = {one["metadata"]["name"]: one["spec"] for one in made if one["kind"] == "PersistentVolume"}
    claims = {one["metadata"]["name"]: one for one in made if one["kind"] == "PersistentVolumeClaim"}
    assert {volume["hostPath"]["path"] for volume in volumes.values()} == set(mounted)
    for name, volume in volumes.items():
        reference = {key: claims[name]["metadata"][key] for key in ("namespace", "name")}
        assert (volume["claimRef"], claims[name]["spec"]["volumeName"]) == (reference, name)
    named = re.findall(r"claimName: ([\w-]+)", (QUICKSTART / "mergesearch.yaml").read_text())
    assert sorted(named) == sorted(claims)


def test_the_readmes_way_to_a_cluster_builds_and_loads_the_images_that_the_chart_starts() -> None:
    commands = README.partition("## On a cluster")[2].partition("```sh")[2].partition("```")[0]
    started = container(render())
    images = [variable["value"] for variable in started["env"] if variable["name"].endswith("_IMAGE")]
    loaded = re.findall(r"mergesearch/\S+:\S+", commands)
    assert sorted(loaded) == sorted([started["image"], *images])
    makefile = (settings.ROOT / "Makefile").read_text()
    assert [f"--tag {image.rpartition(':')[0]}:$(VERSION)" in makefile for image in loaded] == [True] * 3
    files = [Path(word) for word in commands.split() if word.startswith(("examples/", "charts/"))]
    assert files
    assert [path for path in files if not (settings.ROOT / path).exists()] == []
