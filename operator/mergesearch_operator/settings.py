"""What the chart tells the operator, from its environment; checked once, at the start."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

PREFIX = "MERGESEARCH_"
PULL_POLICIES = ("Always", "IfNotPresent", "Never")


@dataclass(frozen=True)
class Images:
    """Images of the stages of searches that name none of their own."""

    merger: str
    evaluator: str
    pull_policy: str = "IfNotPresent"


@dataclass(frozen=True)
class Settings:
    """All settings of one operator."""

    images: Images
    namespaces: tuple[str, ...] = ()
    """Namespaces to watch; none means all of the cluster."""
    workers: int = 8
    """Searches that are stepped at the same time."""
    resync_seconds: float = 60.0
    """Every search is looked at again after this time, whatever the watch has said."""
    probe_port: int = 8080
    metrics_port: int = 9090


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """Raises ValueError with the variable, what was found and what is allowed."""
    return Settings(
        images=Images(
            merger=_required(environment, "MERGER_IMAGE"),
            evaluator=_required(environment, "EVALUATOR_IMAGE"),
            pull_policy=_pull_policy(environment),
        ),
        namespaces=tuple(name for name in environment.get(PREFIX + "NAMESPACES", "").split(",") if name),
        workers=_whole(environment, "WORKERS", 8, high=256),
        resync_seconds=_number(environment, "RESYNC_SECONDS", 60.0, low=0.1, high=3600.0),
        probe_port=_whole(environment, "PROBE_PORT", 8080, high=65535),
        metrics_port=_whole(environment, "METRICS_PORT", 9090, high=65535),
    )


def _required(environment: Mapping[str, str], name: str) -> str:
    found = environment.get(PREFIX + name, "")
    if not found:
        raise ValueError(f"{PREFIX}{name} is not set: the image of a search that names none")
    return found


def _pull_policy(environment: Mapping[str, str]) -> str:
    found = environment.get(PREFIX + "IMAGE_PULL_POLICY") or "IfNotPresent"
    if found not in PULL_POLICIES:
        raise ValueError(f"{PREFIX}IMAGE_PULL_POLICY is {found!r}; it must be Always, IfNotPresent or Never")
    return found


def _whole(environment: Mapping[str, str], name: str, default: int, *, high: int) -> int:
    text = environment.get(PREFIX + name, "") or str(default)
    if not text.isdecimal() or not 1 <= int(text) <= high:
        raise ValueError(f"{PREFIX}{name} is {text!r}; it must be a whole number from 1 to {high}")
    return int(text)


def _number(environment: Mapping[str, str], name: str, default: float, *, low: float, high: float) -> float:
    text = environment.get(PREFIX + name, "")
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise ValueError(f"{PREFIX}{name} is {text!r}; it must be a number from {low:g} to {high:g}")
    return value
