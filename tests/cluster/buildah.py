"""buildah with a storage of its own in the cache: builds without a daemon and without namespaces of its own."""

import json
import os
import shutil
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


def write_layout(image: str, layout: Path) -> None:
    """Adds an image to an OCI layout, uncompressed: compressing costs minutes, and the node unpacks the layers at once.

    buildah's own push compresses for such a layout whatever it is told, so skopeo does it.

    Raises:
        ClusterError: It failed; the message is what skopeo said.
    """
    source = f"containers-storage:[overlay@{_root()}+{_run_root()}]{image}"
    flags = ["--quiet", "--dest-oci-accept-uncompressed-layers"]
    command = ["skopeo", "--policy", str(_policy_file()), "copy", *flags, source, f"oci:{layout}:{image}"]
    done = subprocess.run(command, env=_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"skopeo copy {image} exited {done.returncode}: {done.stderr.strip()[-2000:]}")


def policy() -> Sequence[str]:
    """The argument for commands that read or write images."""
    return ["--signature-policy", str(_policy_file())]


def _policy_file() -> Path:
    return _kept("policy.json", json.dumps(_ACCEPT_EVERYTHING))


def _kept(name: str, text: str) -> Path:
    """A file of this text in the storage; another process may read it at any time."""
    path = storage() / name
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{name}.{os.getpid()}")
        unfinished.write_text(text)
        unfinished.replace(path)
    return path


def remove() -> None:
    """Removes the storage with every image in it."""
    mounts.unmount(storage())
    shutil.rmtree(storage(), ignore_errors=True)


def _environment() -> dict[str, str]:
    """Settings of our own instead of the machine's; otherwise even a build leaves files for networks in /etc."""
    text = f'[network]\nnetwork_config_dir = "{storage() / "networks"}"\n'
    return dict(os.environ) | {"CONTAINERS_CONF": str(_kept("containers.conf", text))}


def _globals() -> list[str]:
    return ["--root", str(_root()), "--runroot", str(_run_root()), "--storage-driver", "overlay"]


def _root() -> Path:
    return storage() / "root"


def _run_root() -> Path:
    return storage() / "run"
