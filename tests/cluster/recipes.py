"""What an image is made from, and the name that follows from it: the same ingredients have the same name."""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cluster.settings import ClusterError

REPOSITORY = "localhost/mergesearch"
_COPIES = re.compile(r"^(?:COPY|ADD)\s+(?P<words>.+)$", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True)
class Recipe:
    """One image to be built.

    Attributes:
        name: The last part of its name: operator, merger, evaluator.
        dockerfile: How it is built.
        context: What COPY and ADD are relative to.
        base: The id of the image that BASE_IMAGE names.
        arguments: Further build arguments.
    """

    name: str
    dockerfile: Path
    context: Path
    base: str
    arguments: Mapping[str, str] = field(default_factory=dict)

    @property
    def tag(self) -> str:
        """A digest of every ingredient."""
        digest = hashlib.sha256()
        for text in (self.base, self.dockerfile.read_text(encoding="utf-8"), repr(sorted(self.arguments.items()))):
            digest.update(text.encode() + b"\0")
        for path in self.files():
            mode = "x" if os.access(path, os.X_OK) else "-"
            digest.update(f"{path.relative_to(self.context)}\0{mode}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()[:16]

    @property
    def reference(self) -> str:
        """The image's whole name."""
        return f"{REPOSITORY}/{self.name}:{self.tag}"

    def files(self) -> list[Path]:
        """Every file that the build may copy, sorted; of a git work tree those that git does not ignore."""
        sources = copied(self.dockerfile.read_text(encoding="utf-8"))
        if not sources:
            return []
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *sources]
        listed = subprocess.run(command, cwd=self.context, capture_output=True, text=True, check=False)
        if listed.returncode == 0:
            paths = {self.context / name for name in listed.stdout.split("\0") if name}
        else:
            paths = {path for source in sources for path in _walk(self.context, source)}
        return sorted(path for path in paths if path.is_file())

    def stage(self, folder: Path) -> None:
        """Copies the ingredients into a folder: what git ignores neither enters an image nor spoils the cache.

        Raises:
            ClusterError: The Dockerfile copies something that is not there.
        """
        for path in self.files():
            target = folder / path.relative_to(self.context)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
        for source in copied(self.dockerfile.read_text(encoding="utf-8")):
            if not any(folder.glob(source.rstrip("/")) if source.strip("./") else [folder]):
                raise ClusterError(f"{self.dockerfile}: copies {source}, which {self.context} does not have")
        for path in sorted(folder.rglob("*"), reverse=True):
            os.utime(path, (0, 0))


def copied(dockerfile: str) -> Sequence[str]:
    """The sources of COPY and ADD that come from the context, in the order of the Dockerfile."""
    joined = re.sub(r"\\\n(?:\s*#.*\n)*", " ", dockerfile)
    found: list[str] = []
    for match in _COPIES.finditer(joined):
        words = match["words"].split()
        flags = [word for word in words if word.startswith("--")]
        if not any(flag.startswith("--from=") for flag in flags):
            found += words[len(flags) : -1]
    return list(dict.fromkeys(found))


def _walk(context: Path, source: str) -> list[Path]:
    return [inner for path in context.glob(source) for inner in ([path] if path.is_file() else path.rglob("*"))]
