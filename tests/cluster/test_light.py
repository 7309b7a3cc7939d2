"""The light cluster: a real API with real controllers, gone without a trace when it is not needed any more."""

import subprocess
import sys
from pathlib import Path

import pytest

from cluster import light, processes, settings, waiting
from cluster.handle import Cluster
from cluster.settings import ClusterError

pytestmark = pytest.mark.slow


def test_it_answers_in_the_pinned_version(light_cluster: Cluster) -> None:
    assert "Server Version: v1.35.4" in light_cluster.kubectl("version")


def test_its_controllers_make_the_pods_of_a_job_and_collect_them_with_it(light_cluster: Cluster) -> None:
    light_cluster.kubectl("create", "namespace", "light-job")
    light_cluster.kubectl("create", "job", "one", "--image=none", "--namespace=light-job")

    def pods() -> int:
        return len(light_cluster.get("pods", "--namespace=light-job")["items"])

    waiting.until("the job has its pod", lambda: pods() == 1)
    light_cluster.kubectl("delete", "job", "one", "--namespace=light-job", "--cascade=background")
    waiting.until("the pod went with its job", lambda: pods() == 0)


def test_a_service_accounts_kubeconfig_has_its_rights_only(light_cluster: Cluster) -> None:
    light_cluster.kubectl("create", "namespace", "light-account")
    light_cluster.kubectl("create", "role", "reader", "--verb=list", "--resource=pods", "--namespace=light-account")
    account = ("--serviceaccount=light-account:default", "--namespace=light-account")
    light_cluster.kubectl("create", "rolebinding", "reader", "--role=reader", *account)
    kubeconfig = light_cluster.service_account_kubeconfig("light-account", "default")

    as_account = (f"--kubeconfig={kubeconfig}", "--namespace=light-account", "get")
    assert light_cluster.run_kubectl(*as_account, "pods").returncode == 0
    refused = light_cluster.run_kubectl(*as_account, "secrets")
    assert refused.returncode == 1
    assert "system:serviceaccount:light-account:default" in refused.stderr


def test_the_audit_log_holds_a_request_with_its_microseconds(light_cluster: Cluster) -> None:
    light_cluster.kubectl("create", "configmap", "heard", "--namespace=default")

    found = [
        event
        for event in light_cluster.audit()
        if event["verb"] == "create" and event.get("objectRef", {}).get("name") == "heard"
    ]

    assert [event["responseStatus"]["code"] for event in found] == [201]
    assert len(found[0]["requestReceivedTimestamp"]) == len("2026-01-01T00:00:00.000000Z")


def test_a_refused_command_says_what_kubectl_said(light_cluster: Cluster) -> None:
    with pytest.raises(ClusterError, match=r'exited 1: .*"nothing" not found'):
        light_cluster.kubectl("get", "pod", "nothing")


def command(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "cluster", *words, "--light", "--folder", str(folder)]
    return subprocess.run(line, cwd=settings.PACKAGE.parent, capture_output=True, text=True, check=False)


def test_started_by_hand_it_is_used_again_survives_a_crash_and_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "by-hand"
    assert command("status", folder=folder).returncode == 1
    first = command("up", folder=folder)
    assert first.returncode == 0, first.stderr
    assert f"export KUBECONFIG={folder / 'admin.kubeconfig'}" in first.stdout
    pids = {program.name: program.running() for program in processes.recorded(folder)}
    assert set(pids) == {"etcd", "kube-apiserver", "kube-controller-manager"}
    assert None not in pids.values()

    crashed = processes.Program(folder, "kube-apiserver")
    running = light.running(folder)
    assert running is not None
    running.kubectl("create", "namespace", "kept")
    crashed.stop(kill=True)
    assert command("status", folder=folder).returncode == 1
    again = command("up", folder=folder)
    assert again.stdout == first.stdout
    assert running.get("namespace", "kept")["metadata"]["name"] == "kept"
    assert processes.Program(folder, "etcd").running() == pids["etcd"]

    programs = processes.recorded(folder)
    for _ in range(2):
        assert command("down", folder=folder).returncode == 0
        assert [program.running() for program in programs] == [None, None, None]
        assert not folder.exists()
