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

    def stage(self, folder: Path) -> "Staged":
        """Copies the ingredients: what git ignores neither enters an image nor spoils the cache, nor does a later edit.

        Raises:
            ClusterError: The Dockerfile copies something that is not there.
        """
        context, dockerfile = folder / "context", folder / "Dockerfile"
        context.mkdir()
        shutil.copy(self.dockerfile, dockerfile)
        for path in self.files():
            target = context / path.relative_to(self.context)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
        for source in copied(dockerfile.read_text(encoding="utf-8")):
            if not any(context.glob(source.rstrip("/")) if source.strip("./") else [context]):
                raise ClusterError(f"{self.dockerfile}: copies {source}, which {self.context} does not have")
        for path in sorted(context.rglob("*"), reverse=True):
            os.utime(path, (0, 0))
        return Staged(self, context, dockerfile)


@dataclass(frozen=True)
class Staged:
    """A recipe with its ingredients in a folder of their own."""

    recipe: Recipe
    context: Path
    dockerfile: Path

    @property
    def reference(self) -> str:
        """The image's whole name; its tag is a digest of every ingredient."""
        recipe = self.recipe
        digest = hashlib.sha256()
        for text in (recipe.base, self.dockerfile.read_text(encoding="utf-8"), repr(sorted(recipe.arguments.items()))):
            digest.update(text.encode() + b"\0")
        for path in sorted(path for path in self.context.rglob("*") if path.is_file()):
            mode = "x" if os.access(path, os.X_OK) else "-"
            digest.update(f"{path.relative_to(self.context)}\0{mode}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return f"{REPOSITORY}/{recipe.name}:{digest.hexdigest()[:16]}"


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
