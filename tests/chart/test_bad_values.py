"""A value that cannot work is refused before anything is installed, by a sentence that names it."""

from typing import Any

import pytest

from chart.helm import CHART, EVERYTHING, POD_MONITOR, render, try_helm

BAD: dict[str, tuple[dict[str, Any], str]] = {
    "unknown-value": ({"replicas": 2}, "additional properties 'replicas' not allowed"),
    "unknown-inner-value": ({"image": {"name": "x"}}, "'/image': additional properties 'name' not allowed"),
    "misspelt-metrics": ({"metrics": {"serviceMonitors": {}}}, "'/metrics': additional properties 'serviceMonitors'"),
    "repository-with-tag": ({"image": {"repository": "a/b:1"}}, "'/image/repository': 'a/b:1' does not match"),
    "repository-in-capitals": ({"image": {"repository": "A/b"}}, "'/image/repository': 'A/b' does not match"),
    "repository-with-scheme": (
        {"searches": {"merger": {"repository": "https://a/b"}}},
        "'/searches/merger/repository': 'https://a/b' does not match",
    ),
    "tag-with-slash": ({"image": {"tag": "a/b"}}, "'/image/tag': 'a/b' does not match"),
    "tag-as-number": ({"searches": {"evaluator": {"tag": 1.5}}}, "'/searches/evaluator/tag': got number, want string"),
    "short-digest": ({"image": {"digest": "sha256:abc"}}, "'/image/digest': 'sha256:abc' does not match"),
    "digest-without-algorithm": ({"searches": {"merger": {"digest": "1" * 64}}}, "'/searches/merger/digest': "),
    "pull-policy": ({"image": {"pullPolicy": "Sometimes"}}, "'/image/pullPolicy': value must be one of 'Always'"),
    "pull-secret-as-name": ({"imagePullSecrets": ["a"]}, "'/imagePullSecrets/0': got string, want object"),
    "pull-secret-without-name": ({"imagePullSecrets": [{}]}, "'/imagePullSecrets/0': missing property 'name'"),
    "namespaces-as-text": ({"watchNamespaces": "a,b"}, "'/watchNamespaces': got string, want array"),
    "namespace-in-capitals": ({"watchNamespaces": ["Team"]}, "'/watchNamespaces/0': 'Team' does not match"),
    "namespace-twice": ({"watchNamespaces": ["a", "a"]}, "'/watchNamespaces': items at 0 and 1 are equal"),
    "no-workers": ({"workers": 0}, "'/workers': minimum: got 0, want 1"),
    "half-a-worker": ({"workers": 1.5}, "'/workers': got number, want integer"),
    "resync-in-words": ({"resyncSeconds": "60s"}, "'/resyncSeconds': got string, want number"),
    "resync-of-a-day": ({"resyncSeconds": 86400}, "'/resyncSeconds': maximum: got 86,400, want 3,600"),
    "crds-as-switch": ({"crds": True}, "'/crds': got boolean, want object"),
    "keep-as-text": ({"crds": {"keep": "yes"}}, "'/crds/keep': got string, want boolean"),
    "kueue-as-switch": ({"kueue": True}, "'/kueue': got boolean, want object"),
    "account-name": ({"serviceAccount": {"name": "a_b"}}, "'/serviceAccount/name': 'a_b' does not match"),
    "label-as-number": ({"podLabels": {"a": 1}}, "'/podLabels/a': got number, want string"),
    "memory-in-megabytes": (
        {"resources": {"limits": {"memory": "512MB"}}},
        "'/resources/limits/memory': '512MB' does not match",
    ),
    "unknown-resources": ({"resources": {"limit": {}}}, "'/resources': additional properties 'limit' not allowed"),
    "toleration-operator": (
        {"tolerations": [{"operator": "exists"}]},
        "'/tolerations/0/operator': value must be one of 'Exists', 'Equal'",
    ),
    "unknown-affinity": ({"affinity": {"node": {}}}, "'/affinity': additional properties 'node' not allowed"),
    "own-variable": ({"extraEnv": [{"name": "MERGESEARCH_WORKERS", "value": "9"}]}, "'/extraEnv/0/name': 'not' failed"),
    "variable-as-map": ({"extraEnv": {"A": "b"}}, "'/extraEnv': got object, want array"),
    "port-zero": ({"metrics": {"port": 0}}, "'/metrics/port': minimum: got 0, want 1"),
    "port-too-high": ({"probe": {"port": 65536}}, "'/probe/port': maximum: got 65,536, want 65,535"),
    "interval": ({"metrics": {"podMonitor": {"interval": "often"}}}, "'/metrics/podMonitor/interval': 'often' does"),
    "budget-below-nothing": ({"podDisruptionBudget": {"maxUnavailable": -1}}, "'/podDisruptionBudget/maxUnavailable'"),
    "egress-to-a-host": (
        {"networkPolicy": {"evaluators": {"egress": [{"host": "a"}]}}},
        "'/networkPolicy/evaluators/egress/0': additional properties 'host' not allowed",
    ),
    "name-in-capitals": ({"fullnameOverride": "Search"}, "'/fullnameOverride': 'Search' does not match"),
    # What one value alone does not tell stands in the templates.
    "policy-for-no-namespace": (
        {"networkPolicy": {"evaluators": {"enabled": True}}},
        "networkPolicy.evaluators.enabled needs networkPolicy.evaluators.namespaces (or watchNamespaces)",
    ),
    "monitor-without-service": (
        {"metrics": {"service": {"enabled": False}, "serviceMonitor": {"enabled": True}}},
        "metrics.serviceMonitor.enabled needs metrics.service.enabled",
    ),
    "two-monitors": (
        {"metrics": {"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}}},
        "metrics.serviceMonitor.enabled and metrics.podMonitor.enabled are both true",
    ),
    "account-without-a-name": (
        {"serviceAccount": {"create": False}},
        "serviceAccount.create is false and serviceAccount.name is empty",
    ),
    "one-port-for-two": ({"probe": {"port": 9090}}, "probe.port and metrics.port are both 9090"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_value_is_refused_and_named(case: str) -> None:
    values, expected = BAD[case]
    done = try_helm("template", "x", str(CHART), values=values)
    assert done.returncode != 0
    assert expected in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    "values",
    [{}, EVERYTHING, POD_MONITOR, {"global": {"of": "a parent"}}],
    ids=["none", "everything", "pod-monitor", "global"],
)
def test_good_values_are_taken(values: dict[str, Any]) -> None:
    assert render(values)
