"""What kopf is told, and when the operator is taken for stuck."""

import inspect
import itertools

import kopf
import pytest

from mergesearch_operator import handlers


@pytest.mark.parametrize(
    ("since_resync", "oldest", "resync", "stuck"),
    [
        (299.0, 0.0, 60.0, None),
        (301.0, 0.0, 60.0, "no resync for 301 s"),
        (9.0, 0.0, 0.1, None),
        (11.0, 0.0, 0.1, "no resync for 11 s"),
        (0.0, 299.0, 60.0, None),
        (0.0, 301.0, 60.0, "a search has waited 301 s for its step"),
    ],
    ids=["resync-late", "no-resync", "short-resync-late", "no-short-resync", "key-late", "key-stuck"],
)
def test_an_operator_is_stuck_when_resync_or_the_oldest_key_is_stale(
    since_resync: float, oldest: float, resync: float, stuck: str | None
) -> None:
    assert handlers.why_stuck(since_resync, oldest, resync) == stuck


def test_kopf_writes_nothing_and_watches_our_own_things_only() -> None:
    settings = kopf.OperatorSettings()
    handlers.configure(settings)
    assert settings.posting.enabled is False
    assert settings.peering.standalone is True
    assert settings.scanning.disabled is True
    assert sorted(settings.watching.label_selectors.values()) == ["mergesearch.io/search"] * 2
    assert settings.watching.inactivity_timeout == 70
    assert settings.watching.server_timeout == 600


def test_kopf_copies_no_object_to_compare_it_with_what_it_was() -> None:
    settings = kopf.OperatorSettings()
    handlers.configure(settings)
    kept = settings.persistence.diffbase_storage
    body = kopf.Body({"metadata": {"labels": {"a": "b"}}, "spec": {"c": "d"}})
    assert kept.build(body=body) == {}
    assert kept.fetch(body=body) is None
    patch = kopf.Patch()
    kept.store(body=body, patch=patch, essence=kopf.BodyEssence())
    assert not patch


def test_watches_are_tried_again_without_end() -> None:
    settings = kopf.OperatorSettings()
    handlers.configure(settings)
    pauses = settings.networking.error_backoffs
    assert not isinstance(pauses, int | float)
    assert list(itertools.islice(pauses, 7)) == list(itertools.islice(pauses, 7)) == [1, 2, 4, 8, 16, 30, 30]


def test_no_handler_of_kopf_keeps_state_on_objects() -> None:
    """Only events, start-up, login and probe: timers, daemons and change handlers patch the object, finalizers hang."""
    used = {line.strip().split("(")[0] for line in inspect.getsource(handlers).splitlines() if "@kopf.on." in line}
    assert used == {"@kopf.on.event", "@kopf.on.startup", "@kopf.on.login", "@kopf.on.probe"}


@pytest.mark.parametrize(
    ("environment", "server"),
    [
        ({}, "https://kubernetes.default.svc"),
        ({"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "6443"}, "https://10.96.0.1:6443"),
        ({"KUBERNETES_SERVICE_HOST": "fd00::1"}, "https://[fd00::1]:443"),
    ],
    ids=["not-told", "told", "told-in-six"],
)
def test_a_pod_reaches_the_api_server_without_a_name_server(environment: dict[str, str], server: str) -> None:
    login = kopf.ConnectionInfo(server="https://kubernetes.default.svc", token="t", ca_path="/ca.crt")
    found = handlers.by_address(login, environment)
    assert found is not None
    assert (found.server, found.token, found.ca_path) == (server, "t", "/ca.crt")
    assert handlers.by_address(None, environment) is None
