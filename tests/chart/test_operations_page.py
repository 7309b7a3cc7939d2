"""docs/operations.md tells what the chart does."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from chart.helm import CHART, only, render
from cluster import settings
from mergesearch import files
from mergesearch.api import checks
from mergesearch_operator.manifests import job as jobs
from unit.operator.documents import IMAGES, child_of

PAGE = (settings.ROOT / "docs" / "operations.md").read_text()


def test_the_page_lists_every_right_and_no_other() -> None:
    role = only(render({"rbac": {"aggregate": False}}), "ClusterRole")
    granted = {resource: ", ".join(rule["verbs"]) for rule in role["rules"] for resource in rule["resources"]}
    table = PAGE.partition("| resource | verbs |")[2].partition("\n\n")[0]
    assert dict(re.findall(r"^\| `([\w/]+)` \| ([\w, ]+) \|", table, re.MULTILINE)) == granted


def test_the_page_has_an_answer_to_every_alert() -> None:
    groups = yaml.safe_load((CHART / "files" / "rules.yaml").read_text())["groups"]
    alerts = [rule["alert"] for group in groups for rule in group["rules"]]
    assert sorted(re.findall(r"^\| (MergeSearch\w+) \|", PAGE, re.MULTILINE)) == sorted(alerts)


def test_values_that_the_page_names_exist() -> None:
    table = (settings.ROOT / "docs" / "reference" / "chart.md").read_text()
    known = set(re.findall(r"^\| `([\w.]+)` \|", table, re.MULTILINE))
    parts = {name for value in known for name in (value, value.partition(".")[0])}
    named = set(re.findall(r"(?:--set |`)((?:image|searches|crds|rbac|metrics|networkPolicy|probe)\.[\w.]+)", PAGE))
    assert named
    assert named <= parts


def test_the_account_of_the_project_may_be_left_to_the_platform() -> None:
    values = {"podSecurityContext": {"runAsUser": None, "runAsGroup": None}}
    spec = only(render(values), "Deployment")["spec"]["template"]["spec"]
    assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


def test_slices_as_the_page_writes_them_lie_on_several_nodes_where_there_are_some() -> None:
    (block,) = (text for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "slices:" in text)
    part = yaml.safe_load(block)["spec"]
    resource, child = child_of("Merge", **part)
    assert checks.check(resource) == checks.advise(resource) == []
    made = jobs.job(resource, child, IMAGES)
    assert made["spec"]["completions"] == part["merger"]["slices"]
    template = made["spec"]["template"]
    apart = template["spec"]["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    wanted = apart[0]["podAffinityTerm"]["labelSelector"]["matchLabels"]
    assert wanted.items() <= template["metadata"]["labels"].items()


@pytest.mark.parametrize(
    ("living", "told"), [("uid-1\nuid-10\n", ["uid-2"]), ("", [])], ids=["some live", "nobody knows who lives"]
)
def test_the_loop_of_the_page_finds_the_folders_of_deleted_searches_and_removes_nothing(
    tmp_path: Path, living: str, told: list[str]
) -> None:
    for uid in ("uid-1", "uid-2", "uid-10"):
        files.claim_search_folder(tmp_path, uid, "soup")
    (tmp_path / "data sets").mkdir()
    (tmp_path / "living").write_text(living)
    (loop,) = (block for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) if files.MARKER in block)
    before = sorted(tmp_path.rglob("*"))
    done = subprocess.run(["sh", "-c", loop], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert [line.partition(" ")[0] for line in done.stdout.splitlines()] == told
    assert all('"name": "soup"' in line for line in done.stdout.splitlines())
    assert sorted(tmp_path.rglob("*")) == before
