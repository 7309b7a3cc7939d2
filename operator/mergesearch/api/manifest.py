"""Manifests as people write them: from YAML to the resource, with every problem at once, and back; pure.

What Kubernetes would refuse, or drop in silence, is refused here: the same file has to mean the same on one machine
and on a cluster.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import yaml

from mergesearch.api import base, checks, document, nodes, scalars, structure
from mergesearch.api.document import Place
from mergesearch.api.problem import Path, Problem, nearest, render, split, words
from mergesearch.api.resource import MergeSearch
from mergesearch.errors import InvalidManifestError
from mergesearch.reasons import Reason

METADATA = (
    "name",
    "namespace",
    "labels",
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
)
"""Fields of Kubernetes' ObjectMeta."""


class _Dumper(yaml.SafeDumper):
    """Quotes what Kubernetes' parser would take for something else than text, such as `1e-3` and `y`."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    try:
        is_text = isinstance(scalars.read(text), str)
    except scalars.AmbiguousScalarError:
        is_text = False
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if is_text else '"')


_Dumper.add_representer(str, _represent_text)


@dataclass(frozen=True)
class Examined:
    """A manifest and all that can be said about it."""

    resource: MergeSearch | None
    """None where there are problems."""
    problems: tuple[Problem, ...]
    """Why it cannot be used, by line."""
    advice: tuple[Problem, ...]
    """What is allowed but seldom meant, by line."""


def load(text: str, source: str) -> MergeSearch:
    """The resource in `text`; `source` names the file. A `status` in it is left out, as the API server does.

    Raises InvalidManifestError, whose message lists every problem.
    """
    return accepted(examine(text), source)


def accepted(examined: Examined, source: str) -> MergeSearch:
    """The resource of an examined manifest. Raises InvalidManifestError, as `load` does."""
    if examined.resource is None:
        raise InvalidManifestError(report(examined.problems, source), reason=Reason.MALFORMED_REQUEST)
    return examined.resource


def problems(text: str) -> list[Problem]:
    """All problems of a manifest, by line; empty where it can be used."""
    return list(examine(text).problems)


def report(found: Iterable[Problem], source: str) -> str:
    """Problems of a file as a person reads them: one line each."""
    lines = [f"  {problem}" for problem in found]
    return "\n".join([f"{source}: {len(lines)} problem{'s' * (len(lines) != 1)}", *lines])


def dump(resource: MergeSearch) -> str:
    """The manifest of a resource: what differs from the defaults, and the status if there is one. `load` reads it."""
    content = resource.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    header = {"apiVersion": resource.api_version, "kind": resource.kind}
    return yaml.dump(header | content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def examine(text: str) -> Examined:
    """Everything that can be said about the text of a manifest."""
    try:
        read = document.read(text)
    except nodes.NotReadableError as error:
        return Examined(None, (error.problem,), ())
    if not isinstance(read.value, dict):
        allowed = "a mapping with apiVersion, kind, metadata and spec"
        return Examined(None, (Problem("", words(read.value), allowed, "this is no manifest", line=1),), ())
    if other := _of_another_kind(read.value):
        return Examined(None, tuple(_with_lines([other], read.places)), ())
    header, content = _metadata(read.value)
    finding = structure.examine(content, read.places, read.broken)
    doubtful = finding.broken | read.doubtful
    found = [*read.problems, *header, *finding.problems]
    tips: list[Problem] = []
    if finding.resource is not None:
        found += checks.check(finding.resource, doubtful)
        tips += _ignored(read.value) + checks.advise(finding.resource, doubtful)
    return Examined(
        finding.resource if not found else None,
        tuple(_with_lines(found, read.places)),
        tuple(_with_lines(tips, read.places)),
    )


def _of_another_kind(content: Mapping[str, Any]) -> Problem | None:
    """A manifest of something else altogether: its fields need no comment."""
    kind, version = content.get("kind"), content.get("apiVersion")
    if not isinstance(kind, str) or not isinstance(version, str) or version.startswith(f"{base.GROUP}/"):
        return None
    if nearest(kind, [base.KIND]) or nearest(version, [base.API_VERSION]):
        return None
    allowed = f"{base.KIND} of {base.API_VERSION}"
    return Problem("kind", f"{words(kind)} of {words(version)}", allowed, "this is a manifest of something else")


def _metadata(content: Mapping[str, Any]) -> tuple[list[Problem], dict[str, Any]]:
    """What the API server would say about `metadata`; and the content without what is not looked at."""
    content = {name: value for name, value in content.items() if name != "status"}
    metadata = content.get("metadata")
    if not isinstance(metadata, dict):
        return [], content
    found = []
    for name in [name for name in metadata if name not in METADATA]:
        where, near = render(("metadata", name)), nearest(name, METADATA)
        found.append(Problem(where, words(metadata[name]), ", ".join(METADATA), "there is no such field", near))
    for field in ("labels", "annotations"):
        values = metadata.get(field)
        if values is not None and not isinstance(values, dict):
            found.append(Problem(f"metadata.{field}", words(values), "a mapping of texts", "this is not a valid value"))
        for name, value in values.items() if isinstance(values, dict) else ():
            if not isinstance(value, str):
                where = render(("metadata", field, name))
                found.append(Problem(where, words(value), "a text, in quotes", "Kubernetes takes texts only"))
    # Tools write `creationTimestamp: null`; Kubernetes drops such fields.
    return found, content | {"metadata": {name: value for name, value in metadata.items() if value is not None}}


def _ignored(content: Mapping[str, Any]) -> list[Problem]:
    if not content.get("status"):
        return []
    return [Problem("status", words(content["status"]), "no status", "this is not read: a search writes its own")]


def _with_lines(found: Iterable[Problem], places: Mapping[Path, Place]) -> list[Problem]:
    """The problems with their lines, in the order of the file; what is missing is missing where its parent stands."""
    placed = []
    for problem in dict.fromkeys(found):
        path = split(problem.path)
        while path not in places and path:
            path = path[:-1]
        line = places[path].line if problem.line is None and path in places else problem.line
        placed.append(replace(problem, line=line))
    return sorted(placed, key=lambda problem: problem.line or 0)
