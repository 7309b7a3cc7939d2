"""Alerts and dashboard ask for series that the operator has."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from chart.helm import CHART, EVERYTHING, only, render
from mergesearch_operator.metrics import Metrics
from mergesearch_operator.workqueue import WorkQueue

ENDINGS = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}
SERIES = {family.name + ending for family in Metrics(WorkQueue()).registry.collect() for ending in ENDINGS[family.type]}
RULES = yaml.safe_load((CHART / "files" / "rules.yaml").read_text())
DASHBOARD = json.loads((CHART / "files" / "dashboard.json").read_text())


def _alerts() -> Iterator[tuple[str, str]]:
    for group in RULES["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


def _panels() -> Iterator[tuple[str, str]]:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield f"{panel['title']} {target['refId']}", target["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["query"]


@pytest.mark.parametrize(("name", "expression"), [*_alerts(), *_panels()], ids=lambda text: text.replace(" ", "-")[:40])
def test_every_expression_is_about_series_that_exist(name: str, expression: str) -> None:
    asked = set(re.findall(r"\bmergesearch_\w+", expression))
    assert asked, name
    assert asked <= SERIES


def test_an_alert_says_what_is_wrong_and_what_to_do() -> None:
    for group in RULES["groups"]:
        for rule in group["rules"]:
            assert rule["annotations"]["summary"], rule
            assert rule["annotations"]["description"], rule


NAMED = {
    "MergeSearchStalled": ("spec.retry", "by itself", "ImageUnavailable", "VolumeUnavailable", "PodNotStarted"),
    "MergeSearchForbidden": ("quota", "roles", "log"),
}


@pytest.mark.parametrize(("alert", "words"), NAMED.items(), ids=NAMED.keys())
def test_an_alert_with_several_causes_names_each(alert: str, words: tuple[str, ...]) -> None:
    (description,) = (
        rule["annotations"]["description"]
        for group in RULES["groups"]
        for rule in group["rules"]
        if rule["alert"] == alert
    )
    assert [word for word in words if word not in description] == []


def test_rules_and_dashboard_arrive_as_they_are() -> None:
    rendered = render(EVERYTHING)
    assert only(rendered, "PrometheusRule")["spec"] == RULES
    config: dict[str, Any] = only(rendered, "ConfigMap")
    assert json.loads(config["data"]["mergesearch.json"]) == DASHBOARD
    assert config["metadata"]["labels"]["grafana_dashboard"] == "1"
