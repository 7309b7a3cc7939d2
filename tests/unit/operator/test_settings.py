"""What the chart tells the operator, from its environment."""

import pytest

from mergesearch_operator import settings
from mergesearch_operator.settings import Images, Settings

LEAST = {"MERGESEARCH_MERGER_IMAGE": "m:1", "MERGESEARCH_EVALUATOR_IMAGE": "e:1"}


def test_two_images_are_enough() -> None:
    assert settings.from_environment(LEAST) == Settings(images=Images("m:1", "e:1", "IfNotPresent"))


def test_every_setting_has_a_variable() -> None:
    more = {
        "MERGESEARCH_IMAGE_PULL_POLICY": "Always",
        "MERGESEARCH_NAMESPACES": "a,b,",
        "MERGESEARCH_WORKERS": "2",
        "MERGESEARCH_RESYNC_SECONDS": "0.5",
        "MERGESEARCH_PROBE_PORT": "1",
        "MERGESEARCH_METRICS_PORT": "65535",
    }
    assert settings.from_environment(LEAST | more) == Settings(
        images=Images("m:1", "e:1", "Always"),
        namespaces=("a", "b"),
        workers=2,
        resync_seconds=0.5,
        probe_port=1,
        metrics_port=65535,
    )


def test_an_empty_variable_is_as_good_as_none() -> None:
    empty = dict.fromkeys(
        (
            "MERGESEARCH_NAMESPACES",
            "MERGESEARCH_WORKERS",
            "MERGESEARCH_RESYNC_SECONDS",
            "MERGESEARCH_IMAGE_PULL_POLICY",
        ),
        "",
    )
    assert settings.from_environment(LEAST | empty) == settings.from_environment(LEAST)


BAD = {
    "MERGESEARCH_MERGER_IMAGE": ("", "MERGESEARCH_MERGER_IMAGE is not set"),
    "MERGESEARCH_EVALUATOR_IMAGE": ("", "MERGESEARCH_EVALUATOR_IMAGE is not set"),
    "MERGESEARCH_WORKERS": ("0", "MERGESEARCH_WORKERS is '0'; it must be a whole number from 1 to 256"),
    "MERGESEARCH_RESYNC_SECONDS": (
        "soon",
        "MERGESEARCH_RESYNC_SECONDS is 'soon'; it must be a number from 0.1 to 3600",
    ),
    "MERGESEARCH_PROBE_PORT": ("65536", "MERGESEARCH_PROBE_PORT is '65536'; it must be a whole number from 1 to 65535"),
    "MERGESEARCH_METRICS_PORT": ("nan", "MERGESEARCH_METRICS_PORT is 'nan'; it must be a whole number from 1 to 65535"),
    "MERGESEARCH_IMAGE_PULL_POLICY": (
        "Sometimes",
        "MERGESEARCH_IMAGE_PULL_POLICY is 'Sometimes'; it must be Always, IfNotPresent or Never",
    ),
}


@pytest.mark.parametrize(("name", "value", "said"), [(name, *case) for name, case in BAD.items()], ids=BAD.keys())
def test_a_bad_variable_is_named_with_what_is_allowed(name: str, value: str, said: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the words are compared below
        settings.from_environment(LEAST | {name: value})
    assert str(caught.value).startswith(said)


def test_half_a_worker_is_refused() -> None:
    with pytest.raises(ValueError, match="whole number"):
        settings.from_environment(LEAST | {"MERGESEARCH_WORKERS": "1.5"})
