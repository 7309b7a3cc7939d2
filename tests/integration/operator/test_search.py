"""A search on a cluster where nothing goes wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mergesearch_operator import constants
from support.history import history
from support.operator_bed import Bed, undisturbed
from support.operator_process import IMAGES


def test_a_search_has_the_history_that_it_has_without_a_cluster(bed: Bed) -> None:
    kubelet = bed.kubelet()
    operator = bed.operator().start()
    uid = bed.create()
    resource = bed.until_complete()
    expected, calm = undisturbed()
    assert history(resource) == expected
    assert sorted(kubelet.world(uid).written) == sorted(calm.written)
    bed.wait(lambda: not bed.jobs(), what=lambda: [job["metadata"]["name"] for job in bed.jobs()])
    bed.wait(lambda: not bed.pods())
    assert operator.stop() == 0
    assert "ERROR" not in operator.log()
    assert "Traceback" not in operator.log()


def test_the_installed_command_searches_and_ends_when_it_is_asked_to(bed: Bed) -> None:
    bed.kubelet()
    operator = bed.operator()
    command = Path(sys.executable).parent / "mergesearch-operator"
    with subprocess.Popen(
        [str(command)], env=operator.environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as process:
        try:
            bed.create()
            bed.until_complete()
            process.terminate()
            _, said = process.communicate(timeout=120)
        finally:
            process.kill()
    assert process.returncode == 0
    assert "Traceback" not in said


NO_CLUSTER = {**IMAGES, "KUBECONFIG": "/nowhere/config"}
BAD_STARTS = {
    "no-image": ({}, 2, "MERGESEARCH_MERGER_IMAGE is not set: the image of a search that names none\n"),
    "no-cluster": (NO_CLUSTER, 1, "no cluster: not in a pod, and no kubeconfig (/nowhere/config): "),
}


@pytest.mark.parametrize(("variables", "code", "said"), BAD_STARTS.values(), ids=BAD_STARTS.keys())
def test_an_operator_that_cannot_start_says_why_in_one_line(variables: dict[str, str], code: int, said: str) -> None:
    command = Path(sys.executable).parent / "mergesearch-operator"
    environment = {"PATH": os.environ["PATH"], **variables}
    done = subprocess.run([str(command)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1


def test_everything_that_is_created_says_whose_it_is(bed: Bed) -> None:
    bed.operator().start()
    uid = bed.create()
    bed.wait(lambda: len(bed.pods()) == 2)
    for thing in (*bed.jobs(), *bed.pods()):
        labels = thing["metadata"]["labels"]
        assert labels[constants.SEARCH] == "soup"
        assert labels[constants.SEARCH_UID] == uid
        assert labels[constants.MANAGED_BY] == constants.MANAGER
    (owner,) = {reference["uid"] for job in bed.jobs() for reference in job["metadata"]["ownerReferences"]}
    assert owner == uid
