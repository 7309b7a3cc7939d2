"""buildah with a storage of its own in the cache: builds without a daemon and without namespaces of its own."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from cluster import mounts, settings
from cluster.settings import ClusterError

_ACCEPT_EVERYTHING = {"default": [{"type": "insecureAcceptAnything"}]}
"""Images come from the same storage: there is nobody whose signature could be asked for."""


def storage() -> Path:
    """Where images and the layers of earlier builds lie."""
    return settings.cache_folder() / "buildah"


def run(command: str, *args: str, show: bool = False) -> str:
    """Runs one command of buildah; returns what it prints, which `show` sends to this process's error stream instead.

    Raises:
        ClusterError: It failed; the message ends with what it said.
    """
    done = subprocess.run(
        ["buildah", *_globals(), command, *args],
        env=_environment(),
        stdout=2 if show else subprocess.PIPE,
        stderr=None if show else subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        said = "" if show else f": {done.stderr.strip()[-2000:]}"
        raise ClusterError(f"buildah {command} {' '.join(args)} exited {done.returncode}{said}")
    return "" if show else done.stdout


def exists(image: str) -> bool:
    """Whether the storage has an image of this name."""
    command = ["buildah", *_globals(), "inspect", "--type", "image", image]
    return subprocess.run(command, env=_environment(), capture_output=True, check=False).returncode == 0


def digest(image: str) -> str:
    """The id of an image: the hash of its configuration, and so of its layers."""
    found = json.loads(run("inspect", "--type", "image", image))["FromImageID"]
    assert isinstance(found, str)
    return found


def policy() -> Sequence[str]:
    """The argument for commands that read or write images."""
    path = storage() / "policy.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(_ACCEPT_EVERYTHING))
    return ["--signature-policy", str(path)]


def remove() -> None:
    """Removes the storage with every image in it."""
    if storage().exists():
        mounts.unmount(storage())
        subprocess.run(["rm", "-rf", str(storage())], check=True)


def _environment() -> dict[str, str]:
    """Settings of our own instead of the machine's; otherwise even a build leaves files for networks in /etc."""
    settings_file = storage() / "containers.conf"
    settings_file.parent.mkdir(parents=True, exist_ok=True)
    settings_file.write_text(f'[network]\nnetwork_config_dir = "{storage() / "networks"}"\n')
    return dict(os.environ) | {"CONTAINERS_CONF": str(settings_file)}


def _globals() -> list[str]:
    folder = storage()
    folder.mkdir(parents=True, exist_ok=True)
    return ["--root", str(folder / "root"), "--runroot", str(folder / "run"), "--storage-driver", "overlay"]
