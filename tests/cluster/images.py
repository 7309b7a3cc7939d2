"""Builds images from Dockerfiles and brings them to a cluster; what has not changed is not done again."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from cluster import buildah, locks, settings
from cluster.recipes import REPOSITORY, Recipe
from cluster.runtime import PAUSE, Runtime
from cluster.settings import ClusterError

BASE = "localhost/python:3.11"
SUITE = "bookworm"
INCLUDED = "python3,python3-venv,python-is-python3,ca-certificates"
_UNNEEDED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/apt", "var/lib/apt/lists", "var/log")

_BUILD_VOLUMES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pip.conf")
"""How this machine reaches its package registries; seen by a build and not part of any image."""


def ensure_base() -> str:
    """The id of the base image: Debian with Python and nothing else; made if it is not there."""
    if not buildah.exists(BASE):
        with _told(BASE), _mounted("scratch") as (container, root):
            _run("debootstrap", "--variant=minbase", f"--include={INCLUDED}", SUITE, str(root), *_mirror())
            for name in _UNNEEDED:
                shutil.rmtree(root / name, ignore_errors=True)
                (root / name).mkdir(parents=True)
            path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
            buildah.run("config", "--env", path, "--cmd", "python3", container)
            buildah.run("commit", *buildah.policy(), "--quiet", container, BASE)
    return buildah.digest(BASE)


def recipe(name: str, dockerfile: Path, *, context: Path = settings.ROOT, arguments: dict[str, str]) -> Recipe:
    """The recipe of an image on our base."""
    return Recipe(name, dockerfile.resolve(), context.resolve(), ensure_base(), arguments)


def build(wanted: Recipe) -> str:
    """The name of the image; it is built if none of this name is there."""
    with tempfile.TemporaryDirectory() as folder:
        staged = wanted.stage(Path(folder))
        reference = staged.reference
        if not buildah.exists(reference):
            with _told(reference):
                _bud(reference, staged.dockerfile, staged.context, BASE, wanted.arguments)
    return reference


def load(runtime: Runtime, references: Sequence[str]) -> None:
    """Brings images to the node; layers that it has are not sent again."""
    if runtime.program.running() is None:
        raise ClusterError(f"no cluster runs in {runtime.folder}: start it by `up` first")
    if set(references) <= runtime.images():
        return
    with locks.held(_scratch() / ".lock"):
        # Another process may have brought them while this one waited.
        missing = [reference for reference in references if reference not in runtime.images()]
        if missing:
            _load(runtime, missing)


def _load(runtime: Runtime, missing: Sequence[str]) -> None:
    for left in _scratch().glob("layout-*"):
        # Of a process that was killed: whoever holds the lock is the only one here.
        shutil.rmtree(left)
    told = _told(f"{', '.join(missing)} on the node")
    with told, tempfile.TemporaryDirectory(dir=_scratch(), prefix="layout-") as folder:
        blobs = Path(folder, "blobs", "sha256")
        blobs.mkdir(parents=True)
        for name, size in runtime.blobs().items():
            # What the node has is not written again: the copy finds a file of the right name and size, and no content.
            with (blobs / name).open("wb") as hollow:
                hollow.truncate(size)
        for reference in missing:
            buildah.write_layout(reference, Path(folder))
        for name in runtime.blobs():
            (blobs / name).unlink(missing_ok=True)
        _import(runtime, Path(folder))
    lost = set(missing) - runtime.images()
    if lost:
        raise ClusterError(f"the container runtime took no image named {', '.join(sorted(lost))}")


def push(registry: str, references: Sequence[str]) -> list[str]:
    """Pushes images to a registry that the caller's cluster pulls from; returns their names there."""
    pushed = []
    # A registry on this machine rarely has a certificate; any other must.
    insecure = ["--tls-verify=false"] if registry.startswith(("localhost:", "127.")) else []
    for reference in references:
        target = registry.rstrip("/") + reference.removeprefix(REPOSITORY.partition("/")[0])
        with _told(target):
            buildah.run("push", *buildah.policy(), *insecure, "--quiet", reference, f"docker://{target}")
        pushed.append(target)
    return pushed


def deliver(references: Sequence[str], folder: Path | None = None) -> list[str]:
    """Brings images to the cluster in use, the caller's or ours; returns the names by which its pods ask for them.

    Args:
        references: The names of built images.
        folder: Where our cluster lives, if not in the usual place.

    Raises:
        ClusterError: The cluster is the caller's, and it is not said where its images come from.
    """
    if settings.callers_kubeconfig() is None:
        load(Runtime((folder or settings.run_folder(light=False)).resolve()), references)
        return list(references)
    registry = os.environ.get(settings.REGISTRY_VARIABLE)
    if not registry:
        raise ClusterError(
            f"KUBECONFIG names a cluster of yours: {settings.REGISTRY_VARIABLE} must say where it pulls from"
        )
    return push(registry, references)


def ensure_pause(runtime: Runtime, programs: Path) -> None:
    """Gives the node the image that every pod needs."""
    if PAUSE in runtime.images():
        return
    if not buildah.exists(PAUSE):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(programs / "pause", folder)
            dockerfile = Path(folder) / "Dockerfile"
            dockerfile.write_text('FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause"]\n')
            _bud(PAUSE, dockerfile, Path(folder), "scratch", {})
    load(runtime, [PAUSE])


def _bud(reference: str, dockerfile: Path, context: Path, base: str, arguments: Mapping[str, str]) -> None:
    given = {} if base == "scratch" else {"BASE_IMAGE": base, **arguments}
    words = [word for name, value in given.items() for word in ("--build-arg", f"{name}={value}")]
    volumes = [word for path in _BUILD_VOLUMES if Path(path).exists() for word in ("--volume", f"{path}:{path}:ro")]
    flags = ["--isolation", "chroot", "--layers", "--pull-never", *buildah.policy(), *volumes, *words]
    buildah.run("bud", *flags, "--file", str(dockerfile), "--tag", reference, str(context), show=True)


def _import(runtime: Runtime, layout: Path) -> None:
    with subprocess.Popen(["tar", "-C", str(layout), "-cf", "-", "."], stdout=subprocess.PIPE) as tar:
        assert tar.stdout is not None
        done = runtime.ctr("images", "import", "-", stdin=tar.stdout.fileno())
    if done.returncode:
        raise ClusterError(f"the container runtime refused an image: {done.stderr.strip()[-2000:]}")


@contextmanager
def _mounted(base: str) -> Iterator[tuple[str, Path]]:
    """A working container on an image, and where its files are."""
    container = buildah.run("from", *buildah.policy(), base).strip()
    try:
        yield container, Path(buildah.run("mount", container).strip())
    finally:
        buildah.run("rm", container)


@contextmanager
def _told(what: str) -> Iterator[None]:
    started = time.monotonic()
    print(f"making {what} ...", file=sys.stderr, flush=True)
    yield
    print(f"made {what} in {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)


def _mirror() -> list[str]:
    """Where this machine gets Debian's packages; where it is not a Debian of this suite, debootstrap's own default."""
    command = ["apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)", "Created-By: Packages"]
    if not shutil.which("apt-get"):
        return []
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    return [line.split()[1] for line in listed if line.split()[0] == SUITE][:1]


def _scratch() -> Path:
    """Room for images on their way; /tmp may be small."""
    folder = settings.cache_folder() / "scratch"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"{command[0]} exited {done.returncode}:\n{(done.stdout + done.stderr)[-2000:]}")
