"""docs/operations.md tells what the chart does."""

import re

import yaml

from chart.helm import CHART, only, render
from cluster import settings

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
