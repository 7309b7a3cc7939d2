"""Jobs, pods and claims as whole documents, and what holds for all of them."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mergesearch.api.status import Launch, Stage
from mergesearch.contract import REQUEST
from mergesearch.lifecycle import children
from mergesearch.worker import REQUEST_VARIABLE, SANDBOX_VARIABLE
from mergesearch_evaluator.sandbox import server
from mergesearch_operator import constants
from mergesearch_operator.manifests import job as jobs
from mergesearch_operator.manifests import sandbox, volumes
from unit.lifecycle import world
from unit.operator import golden_jobs
from unit.operator.documents import IMAGES, NOW, Document, child_of

STAGES = ["PreflightCheckpoints", "PreflightTasks", "Merge", "Evaluate", "Compare", "Cleanup"]
GPUS = {"resources": {"limits": {"nvidia.com/gpu": "1", "cpu": "2"}, "requests": {"amd.com/gpu": "1", "cpu": "1"}}}


def job_of(stage: str, **parts: Any) -> Document:
    resource, child = child_of(stage, **parts)
    return jobs.job(resource, child, IMAGES)


def pod_of(made: Document) -> Document:
    spec: Document = made["spec"]["template"]["spec"]
    return spec


def container_of(made: Document) -> Document:
    (container,) = pod_of(made)["containers"]
    return dict(container)


@pytest.mark.parametrize("name", golden_jobs.CASES)
def test_a_job_is_the_document_that_is_kept(name: str) -> None:
    assert golden_jobs.render(name) == (golden_jobs.FOLDER / f"{name}.yaml").read_text()


def test_a_template_may_give_any_volume_and_any_user_but_the_container_no_further_rights() -> None:
    """What docs/operations.md says of those who may create searches."""
    kinds: dict[str, Document] = {
        "node": {"hostPath": {"path": "/"}},
        "keys": {"secret": {"secretName": "of-others"}},
        "token": {"projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
    }
    given_volumes = [{"name": name, **kind} for name, kind in kinds.items()]
    template = {"volumes": given_volumes, "securityContext": {"runAsUser": 0, "runAsNonRoot": False}}
    made = job_of("Merge", merger={"template": template})
    assert pod_of(made)["volumes"][-3:] == given_volumes
    assert (pod_of(made)["securityContext"]["runAsUser"], pod_of(made)["securityContext"]["runAsNonRoot"]) == (0, False)
    assert container_of(made)["securityContext"] == container_of(job_of("Merge"))["securityContext"]


@pytest.mark.parametrize("stage", STAGES)
def test_a_pod_has_no_rights(stage: str) -> None:
    """The rules of the Pod Security Standard `restricted`, one by one, and no token."""
    spec, container = pod_of(job_of(stage)), container_of(job_of(stage))
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers", "ephemeralContainers"} & set(spec)
    allowed = {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
    assert {kind for volume in spec["volumes"] for kind in volume if kind != "name"} <= allowed
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] != 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "ports" not in container
    assert spec["automountServiceAccountToken"] is False
    assert "serviceAccountName" not in spec


CODE = {"evaluator": {"allowCodeExecution": True}}


@pytest.mark.parametrize("stage", STAGES)
def test_code_that_a_model_wrote_has_a_container_of_its_own_where_it_may_run(stage: str) -> None:
    assert "initContainers" not in pod_of(job_of(stage))
    found = pod_of(job_of(stage, **CODE)).get("initContainers", [])
    assert [one["name"] for one in found] == (["sandbox"] if stage in ("PreflightTasks", "Evaluate") else [])


def test_the_sandbox_mounts_neither_workspace_nor_checkpoints_and_has_its_own_user() -> None:
    spec = pod_of(made := job_of("Evaluate", **CODE))
    (sandbox,), evaluator = spec["initContainers"], container_of(made)
    kinds = {volume["name"]: volume for volume in spec["volumes"]}
    mounts = {mount["name"]: mount for mount in sandbox["volumeMounts"]}
    assert all("emptyDir" in kinds[name] for name in mounts)
    shared = {mount["name"] for mount in evaluator["volumeMounts"]} & set(mounts)
    assert shared == {"mergesearch-sandbox"}, "where the evaluator puts its socket"
    assert mounts["mergesearch-sandbox"]["readOnly"] is True
    assert all("sizeLimit" in kinds[name]["emptyDir"] for name in mounts)
    user = sandbox["securityContext"]["runAsUser"]
    assert sandbox["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": user,
        "runAsGroup": user,
        "seccompProfile": {"type": "RuntimeDefault"},
        **evaluator["securityContext"],
    }
    assert user != spec["securityContext"]["runAsUser"] == 65532


def test_the_sandbox_is_told_nothing_but_where_the_evaluator_listens() -> None:
    spec = pod_of(made := job_of("Evaluate", **CODE))
    (sandbox,) = spec["initContainers"]
    assert {variable["name"] for variable in sandbox["env"]} == {"HOME", "TMPDIR", "NVIDIA_VISIBLE_DEVICES"}
    told = {variable["name"]: variable.get("value") for variable in container_of(made)["env"]}[SANDBOX_VARIABLE]
    assert sandbox["command"] == ["python", "-m", server.__name__, told]
    assert sandbox["restartPolicy"] == "Always", "a sidecar, which does not hold the Job"


def test_a_template_reaches_the_evaluator_and_not_the_sandbox() -> None:
    template = {
        "env": [{"name": "HF_TOKEN", "value": "secret"}],
        "volumes": [{"name": "keys", "secret": {"secretName": "keys"}}],
        "volumeMounts": [{"name": "keys", "mountPath": "/keys"}],
        "securityContext": {"runAsUser": 0, "runAsNonRoot": False, "seccompProfile": {"type": "Unconfined"}},
    }
    resources = {"limits": {"nvidia.com/gpu": "1"}}
    evaluator = {"allowCodeExecution": True, "template": template, "resources": resources, "image": "own:1"}
    (sandbox,) = pod_of(job_of("Evaluate", evaluator=evaluator))["initContainers"]
    (plain,) = pod_of(job_of("Evaluate", **CODE))["initContainers"]
    assert sandbox == plain | {"image": "own:1"}


@pytest.mark.parametrize(
    ("evaluators", "least", "most"),
    [
        pytest.param(None, 61436, 65531, id="left-open"),
        pytest.param(0, 61436, 65531, id="root"),
        pytest.param(1000, 1001, 5096, id="low"),
        pytest.param(61437, 61438, 65533, id="the-last-with-room-behind-it"),
        pytest.param(61438, 57342, 61437, id="the-first-without"),
        pytest.param(65535, 61439, 65534, id="the-last-of-a-user-namespace"),
        pytest.param(1000650000, 1000650001, 1000654096, id="the-first-of-a-range-of-openshift"),
    ],
)
def test_the_sandbox_has_a_user_beside_the_evaluators(evaluators: int | None, least: int, most: int) -> None:
    template = {"securityContext": {"runAsUser": evaluators}}
    spec = pod_of(job_of("Evaluate", evaluator={"allowCodeExecution": True, "template": template}))
    security = spec["initContainers"][0]["securityContext"]
    assert least <= security["runAsUser"] == security["runAsGroup"] <= most
    assert spec["securityContext"]["runAsUser"] == evaluators
    found = {sandbox.user_beside(evaluators, f"soup-abcde-{number:05d}-e") for number in range(60_000)}
    assert (min(found), max(found)) == (least, most)


def test_the_sandboxes_of_two_jobs_on_one_node_do_not_share_a_user() -> None:
    resource, one = child_of("Evaluate", **CODE)
    another = dataclasses.replace(one, name=f"{one.name}2")
    users = [
        pod_of(jobs.job(resource, child, IMAGES))["initContainers"][0]["securityContext"]["runAsUser"]
        for child in (one, another, one)
    ]
    assert users[0] != users[1]
    assert users[0] == users[2], "a Job that is made again is the same"


@pytest.mark.parametrize("stage", STAGES)
def test_only_mergers_and_evaluators_get_gpus(stage: str) -> None:
    resources = container_of(job_of(stage, merger=GPUS, evaluator=GPUS))["resources"]
    asked = {name for part in resources.values() for name in part if name.endswith("/gpu")}
    assert asked == ({"nvidia.com/gpu", "amd.com/gpu"} if stage in ("Merge", "Evaluate") else set())
    assert resources["limits"]["cpu"] == "2"


@pytest.mark.parametrize("stage", STAGES)
def test_a_process_finds_its_request_in_its_environment_and_runs_once(stage: str) -> None:
    resource, child = child_of(stage)
    made = jobs.job(resource, child, IMAGES)
    variables = {one["name"]: one for one in container_of(made)["env"]}
    assert REQUEST.validate_json(variables[REQUEST_VARIABLE]["value"]) == child.request
    assert variables["MERGESEARCH_WRITER"]["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.uid"}}
    assert made["spec"]["backoffLimit"] == 0
    assert pod_of(made)["restartPolicy"] == "Never"
    assert pod_of(made)["activeDeadlineSeconds"] == child.deadline_seconds
    assert "activeDeadlineSeconds" not in made["spec"], "it would count the time in a queue"
    assert "suspend" not in made["spec"], "a queue suspends, we do not"
    assert "ttlSecondsAfterFinished" not in made["spec"], "a result outlives an operator that is away"


@pytest.mark.parametrize("stage", STAGES)
def test_only_a_merge_is_shared_by_pods_each_with_an_index_and_the_first_that_fails_ends_them_all(stage: str) -> None:
    made = job_of(stage, merger={"slices": 4})["spec"]
    pods = (made["parallelism"], made["completions"], made.get("completionMode"))
    assert pods == ((4, 4, "Indexed") if stage == "Merge" else (1, 1, None))
    assert made["backoffLimit"] == 0
    assert "backoffLimitPerIndex" not in made
    assert "completionMode" not in job_of(stage)["spec"], "a single pod needs no index"


def test_disruptions_are_ignored_before_anything_is_counted() -> None:
    first, second = job_of("Merge")["spec"]["podFailurePolicy"]["rules"]
    assert (first["action"], first["onPodConditions"][0]["type"]) == ("Ignore", "DisruptionTarget")
    assert (second["action"], second["onExitCodes"]["values"]) == ("FailJob", [64, 65, 66])


def test_a_stage_waits_in_its_own_queue() -> None:
    parts = {"merger": {"queueName": "cpus"}, "evaluator": {"queueName": "gpus", "priorityClass": "high"}}
    merge, evaluate = job_of("Merge", **parts)["metadata"], job_of("Evaluate", **parts)["metadata"]
    assert merge["labels"][constants.QUEUE_NAME] == "cpus"
    assert constants.QUEUE_PRIORITY not in merge["labels"]
    assert evaluate["labels"][constants.QUEUE_NAME] == "gpus"
    assert evaluate["labels"][constants.QUEUE_PRIORITY] == "high"


def test_an_image_of_the_search_wins_over_the_default() -> None:
    assert container_of(job_of("Merge"))["image"] == IMAGES.merger
    assert container_of(job_of("Evaluate", evaluator={"image": "own:1"}))["image"] == "own:1"
    assert container_of(job_of("PreflightTasks", evaluator={"image": "own:1"}))["image"] == "own:1"
    assert container_of(job_of("Compare"))["image"] == IMAGES.evaluator


@given(
    name=st.from_regex(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?", fullmatch=True),
    number=st.integers(1, 99999),
    stage=st.sampled_from(list(Stage)),
)
def test_every_name_fits_into_a_label(name: str, number: int, stage: Stage) -> None:
    resource = world.resource()
    uid = "0123abcd-0000-0000-0000-000000000000"
    meta = resource.metadata.model_copy(update={"name": name, "uid": uid})
    launch = Launch(number=number, stage=stage, created_at=NOW)
    made = children.name(resource.model_copy(update={"metadata": meta}), launch)
    assert len(f"{made}-63") <= 63, "the host name of the last slice"
    assert made.startswith(f"{name}-0123a-")


def test_the_owner_reference_collects_the_job_and_blocks_nothing() -> None:
    (owner,) = job_of("Merge")["metadata"]["ownerReferences"]
    assert owner["controller"] is True
    assert "blockOwnerDeletion" not in owner


def test_another_request_has_another_digest() -> None:
    resource, merge = child_of("Merge")
    _, evaluate = child_of("Evaluate")
    assert jobs.request_digest(merge) == jobs.request_digest(child_of("Merge")[1])
    assert jobs.request_digest(merge) != jobs.request_digest(evaluate)
    made = jobs.job(resource, merge, IMAGES)
    assert made["metadata"]["annotations"] == {constants.REQUEST_DIGEST: jobs.request_digest(merge)}


WORKSPACES = {
    "existing": ({"persistentVolumeClaim": {"claimName": "w"}}, None, False),
    "shared": ({"claimTemplate": {"size": "1Gi"}}, {"accessModes": ["ReadWriteMany"]}, False),
    "one-node": ({"claimTemplate": {"size": "1Gi", "accessModes": ["ReadWriteOnce"]}}, {}, True),
    "classed": (
        {"claimTemplate": {"size": "1Gi", "accessModes": ["ReadWriteMany"], "storageClassName": "fast"}},
        {"storageClassName": "fast"},
        False,
    ),
}


@pytest.mark.parametrize(("workspace", "expected", "together"), WORKSPACES.values(), ids=WORKSPACES.keys())
def test_a_workspace_is_claimed_where_the_search_asks_for_one(
    workspace: Document, expected: Document | None, together: bool
) -> None:
    storage = {"checkpoints": {"persistentVolumeClaim": {"claimName": "c"}}, "workspace": workspace}
    resource = world.resource(storage=storage)
    claim = volumes.claim(resource, jobs.owner(resource))
    assert (claim is None) == (expected is None)
    if claim is not None and expected is not None:
        assert claim["metadata"]["name"] == "soup-abcde-workspace"
        assert claim["metadata"]["ownerReferences"] == [jobs.owner(resource)]
        assert claim["spec"]["resources"] == {"requests": {"storage": "1Gi"}}
        assert expected.items() <= claim["spec"].items()
    affinity = pod_of(job_of("Merge", storage=storage)).get("affinity")
    assert (affinity is not None) == together
    if affinity is not None:
        (term,) = affinity["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        assert term["topologyKey"] == "kubernetes.io/hostname"
        assert term["labelSelector"]["matchLabels"] == {constants.SEARCH_UID: resource.metadata.uid}
