"""The full cluster: pods run under the rules that the project's pods run under, and nothing is left when it goes."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster import build, full, images, mounts, network, processes, settings, volumes, waiting
from cluster.handle import Client, Cluster
from cluster.node import NAME
from cluster.processes import Program

pytestmark = pytest.mark.cluster

SAMPLE = settings.PACKAGE / "sample" / "Dockerfile"
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


@pytest.fixture(scope="module")
def sample(real_cluster: Client) -> str:
    """The sample image, as pods ask for it."""
    return images.deliver([images.build(images.recipe("sample", SAMPLE, arguments={}))])[0]


@pytest.fixture
def namespace(real_cluster: Client, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace that takes restricted pods only."""
    name = f"full-{abs(hash(request.node.name)) % 10**8}"
    real_cluster.kubectl("create", "namespace", name)
    real_cluster.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    yield name
    real_cluster.kubectl("delete", "namespace", name, "--wait=false")


def job(name: str, namespace: str, image: str, *args: str, gpus: int = 0, claim: str = "") -> dict[str, Any]:
    container: dict[str, Any] = {"name": "main", "image": image, "args": list(args), "securityContext": RESTRICTED}
    pod: dict[str, Any] = {"restartPolicy": "Never", "containers": [container], "terminationGracePeriodSeconds": 1}
    if gpus:
        container["resources"] = {"limits": {"nvidia.com/gpu": str(gpus)}}
    if claim:
        container["volumeMounts"] = [{"name": "work", "mountPath": "/work"}]
        pod["volumes"] = [{"name": "work", "persistentVolumeClaim": {"claimName": claim}}]
    spec = {"backoffLimit": 0, "template": {"spec": pod}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def complete(client: Client, namespace: str, *names: str) -> None:
    wanted = [f"job/{name}" for name in names]
    client.kubectl("wait", "--for=condition=Complete", "--timeout=120s", "--namespace", namespace, *wanted)


def test_a_restricted_pod_runs_and_its_log_is_read(real_cluster: Client, sample: str, namespace: str) -> None:
    real_cluster.apply(job("hello", namespace, sample, "hello"))
    complete(real_cluster, namespace, "hello")

    assert real_cluster.kubectl("logs", "job/hello", "--namespace", namespace) == "hello from 65532\n"


def test_a_pod_reaches_the_api_at_the_services_address(real_cluster: Client, sample: str, namespace: str) -> None:
    real_cluster.apply(job("api", namespace, sample, "api"))
    complete(real_cluster, namespace, "api")

    assert '"major"' in real_cluster.kubectl("logs", "job/api", "--namespace", namespace)


def test_a_command_runs_in_a_pod_that_runs(real_cluster: Client, sample: str, namespace: str) -> None:
    real_cluster.apply(job("sleep", namespace, sample, "sleep", "300"))
    selector = ("--selector=job-name=sleep", "--namespace", namespace)
    waiting.until("there is a pod", lambda: bool(real_cluster.get("pods", *selector)["items"]))
    real_cluster.kubectl("wait", "pod", "--for=condition=Ready", "--timeout=60s", *selector)

    said = real_cluster.kubectl("exec", "job/sleep", "--namespace", namespace, "--", "id", "-u")

    assert said == "65532\n"


def test_what_a_pod_writes_to_its_claim_is_in_the_folder(
    real_cluster: Client, sample: str, namespace: str, tmp_path: Path
) -> None:
    ours_only(real_cluster)
    volumes.bind(real_cluster, namespace, "work", tmp_path / "work")
    real_cluster.apply(job("write", namespace, sample, "write", "/work/said", "well", claim="work"))
    complete(real_cluster, namespace, "write")

    assert (tmp_path / "work" / "said").read_text() == "well"


def test_jobs_that_want_gpus_queue_when_the_two_are_taken(real_cluster: Client, sample: str, namespace: str) -> None:
    ours_only(real_cluster)
    names = [f"gpu-{number}" for number in range(3)]
    real_cluster.apply(*(job(name, namespace, sample, "sleep", "3", gpus=1) for name in names))
    complete(real_cluster, namespace, *names)

    pods = real_cluster.get("pods", "--namespace", namespace)["items"]
    states = [pod["status"]["containerStatuses"][0]["state"]["terminated"] for pod in pods]
    spans = sorted((state["startedAt"], state["finishedAt"]) for state in states)
    assert spans[2][0] >= min(finished for _, finished in spans[:2])


def ours_only(client: Client) -> Cluster:
    if not isinstance(client, Cluster):
        pytest.skip("about the cluster that is started here")
    return client


# --- The tool ---


def command(*words: str) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "cluster", *words]
    return subprocess.Popen(line, cwd=settings.PACKAGE.parent, stdout=subprocess.PIPE, text=True)


def test_an_up_that_was_killed_is_finished_by_the_next_and_the_gpus_outlive_the_kubelet(
    disposable_cluster: Cluster, sample: str, namespace: str
) -> None:
    cluster = disposable_cluster
    folder = cluster.plane.folder
    api_server = Program(folder, "kube-apiserver").running()
    for name in ("kubelet", "containerd"):
        Program(folder, name).stop(kill=True)
    killed = command("up")
    waiting.until("it has begun", lambda: Program(folder, "containerd").running() is not None)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()

    again = command("up")
    printed, _ = again.communicate()

    assert again.returncode == 0
    assert f"export KUBECONFIG={cluster.kubeconfig}" in printed
    assert Program(folder, "kube-apiserver").running() == api_server
    assert cluster.get("node", NAME)["status"]["allocatable"]["nvidia.com/gpu"] == "2"
    cluster.apply(job("after", namespace, sample, "hello", gpus=2))
    complete(cluster, namespace, "after")


def test_down_leaves_nothing_whether_pods_run_or_its_programs_are_dead(
    disposable_cluster: Cluster, sample: str
) -> None:
    cluster = disposable_cluster
    folder = cluster.plane.folder
    full.down(folder)
    before = [path for path in ELSEWHERE if Path(path).exists()]
    full.up(folder)
    cluster.apply(*(job(name, "default", sample, "sleep", "300") for name in ("one", "two")))
    waiting.until("both run", lambda: running_pods(cluster) == 2)
    for name in ("kubelet", "containerd", "kube-proxy", "kube-apiserver"):
        Program(folder, name).stop(kill=True)
    assert processes_that_name("/sample.py")

    full.down(folder)

    try:
        assert not processes_that_name("/sample.py")
        assert not processes_that_name(str(folder))
        assert not folder.exists()
        assert mounts.beneath(folder) == []
        assert network.bridge_owner() is None
        for tool in ("iptables-save", "ip6tables-save"):
            assert [rule for rule in output(tool).splitlines() if "KUBE-" in rule or "CNI-" in rule] == []
        assert [path for path in ELSEWHERE if Path(path).exists() and path not in before] == []
        full.down(folder)
    finally:
        full.up(folder)
    assert cluster.run_kubectl("get", "job", "one").returncode == 1


ELSEWHERE = (
    "/etc/cni",
    "/run/containerd",
    "/var/lib/cni",
    "/var/lib/kubelet",
    "/var/log/containers",
    "/var/log/pods",
    "/sys/fs/cgroup/memory/mergesearch-test",
    "/sys/fs/cgroup/mergesearch-test",
)
"""Places outside the cluster's folder that its programs use."""


def running_pods(cluster: Cluster) -> int:
    pods = cluster.get("pods", "--namespace=default")["items"]
    return sum(pod["status"]["phase"] == "Running" for pod in pods)


def processes_that_name(text: str) -> list[str]:
    """Those of the cluster and its pods; a person's editor may name the same file."""
    ours = {*build.PACKAGES, "containerd", "containerd-shim-runc-v2", "python3"}
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        program = Path(words.split("\0")[0]).name
        if text in words and program in ours and processes.is_alive(int(path.name)):
            found.append(words.replace("\0", " "))
    return found


def output(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout
