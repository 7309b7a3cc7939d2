"""Where the test cluster keeps what it builds and what it runs, and which variables of the environment change that."""

import os
from pathlib import Path

CACHE_VARIABLE = "MERGESEARCH_CLUSTER_CACHE"
"""A folder outside the repository for built programs and images."""
LIGHT_VARIABLE = "MERGESEARCH_LIGHT_CLUSTER"
"""The folder of a light cluster that is up already: the tests then use it and leave it running."""
REGISTRY_VARIABLE = "E2E_REGISTRY"
"""Where images go for a cluster that the caller brings."""

PACKAGE = Path(__file__).resolve().parent
ROOT = PACKAGE.parents[1]


class ClusterError(Exception):
    """The cluster, or something it needs, is not as it should be; the message says what to do."""


def cache_folder() -> Path:
    """What may be kept from run to run."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen) if chosen else Path.home() / ".cache" / "mergesearch" / "cluster"


def callers_kubeconfig() -> Path | None:
    """The cluster that the caller brings, if any: what KUBECONFIG names, unless that is our own cluster."""
    named = os.environ.get("KUBECONFIG")
    if not named or Path(named).resolve().parent == run_folder(light=False).resolve():
        return None
    return Path(named)


def remove_empty(*folders: Path) -> None:
    """Removes those of these folders that exist and hold nothing."""
    for folder in folders:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def run_folder(*, light: bool) -> Path:
    """Where a cluster that is started by hand lives; `down` finds it here."""
    return cache_folder() / "run" / ("light" if light else "full")
