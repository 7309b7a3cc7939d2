"""Searches that a person names: the state folder of a run on this machine, or what `kubectl get mergesearch -o yaml`
has printed.
"""

import collections
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from mergesearch.api import base, nodes
from mergesearch.api.problem import one_line
from mergesearch.api.resource import MergeSearch
from mergesearch.errors import InvalidManifestError
from mergesearch.lifecycle import phrases
from mergesearch.reasons import Reason
from mergesearch.report.advice import Place
from mergesearch_cli import damage, texts, whole
from mergesearch_cli.state import StateFolder

LONGEST_NAME = 63
"""Characters of a name that is shown; Kubernetes allows no more."""
HOW = f"`kubectl get {base.KIND.lower()} NAME -o yaml` prints one"


@dataclass(frozen=True)
class Source:
    """Searches, and where they were read from."""

    label: str
    """As messages name it."""
    resources: tuple[MergeSearch, ...]
    state: StateFolder | None = None
    """Of a search on this machine."""

    @property
    def place(self) -> Place:
        """Where they run, which decides how people are told to send them on."""
        return Place.MACHINE if self.state is not None and self.state.is_of_a_run() else Place.CLUSTER

    @property
    def only(self) -> MergeSearch:
        """The one search. Raises InvalidManifestError if there are several."""
        if len(self.resources) > 1:
            names = phrases.listed([resource.metadata.name for resource in self.resources])
            raise _wrong(f"{self.label}: holds {len(self.resources)} searches, {names}; {HOW}")
        return self.resources[0]

    @property
    def begun(self) -> MergeSearch:
        """The one search, of which there is something to tell. Raises InvalidManifestError if there is not."""
        resource = self.only
        if resource.status is None and self.state is None:
            raise _wrong(
                f"{self.label}: {resource.metadata.name} has no status, so there is nothing to report: this is a "
                f"manifest, or nobody has started the search yet; {HOW} that has one once it has begun"
            )
        return resource


def read(path: Path) -> Source:
    """What a state folder, a document or, for `-`, standard input holds. Raises InvalidManifestError; GiveUpError if a
    state folder is damaged, or a status is of a newer release.
    """
    if path.is_dir() and path != texts.STDIN:
        state = StateFolder(path)
        resource = state.read()
        if resource is None:
            raise _wrong(f"{path}: holds no search")
        return Source(str(path), (resource,), state)
    label = texts.label(path)
    return Source(label, _parsed(texts.read(path), label))


def _loader() -> Any:
    """A loader that leaves times as they are written: the models read them, and know which field is none. A large
    status takes ten seconds without libyaml, which most builds of PyYAML have.
    """
    loader: Any = type("Loader", (getattr(yaml, "CSafeLoader", yaml.SafeLoader),), {})
    loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in known if tag != "tag:yaml.org,2002:timestamp"]
        for first, known in loader.yaml_implicit_resolvers.items()
    }
    return loader


def _parsed(text: str, label: str) -> tuple[MergeSearch, ...]:
    """All searches of a document, of a list that it holds, or of several documents."""
    loader = _loader()
    try:
        nodes.refuse_unprintable(text)
        collections.deque(nodes.shallow(yaml.parse(text, loader)), maxlen=0)
        documents = [document for document in yaml.load_all(text, loader) if document is not None]
    except nodes.NotReadableError as error:
        raise _wrong(f"{label}: {error}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark is not None else ""
        raise _wrong(f"{label}: no YAML: {where}{getattr(error, 'problem', None) or error}") from error
    except (ValueError, LookupError, AttributeError) as error:
        # What PyYAML lets through for a number of 5,000 digits, or where a tag such as !!int stands before no number.
        raise _wrong(f"{label}: a value is not of its kind: {error}; {HOW}") from error
    found = [entry for document in documents for entry in _entries(document)]
    if not found:
        raise _wrong(f"{label}: holds no {base.KIND}; {HOW}")
    return tuple(_resource(entry, label) for entry in found)


def _entries(document: Any) -> list[Any]:
    items = document.get("items") if isinstance(document, Mapping) else None
    return items if isinstance(items, list) else [document]


def _resource(entry: Any, label: str) -> MergeSearch:
    if not isinstance(entry, Mapping) or entry.get("kind") != base.KIND:
        kind = entry.get("kind") if isinstance(entry, Mapping) else None
        what = f"a {kind}" if isinstance(kind, str) else "something else"
        raise _wrong(f"{label}: holds {what}, not a {base.KIND}; {HOW}")
    label = f"{label}: {_name(entry)}"
    damage.refuse_newer(entry, label, "read it with that one")
    try:
        found = MergeSearch.model_validate(entry)
    except ValidationError as error:
        problem = damage.first_problem(error)
        raise _wrong(f"{label}: not understood by this release, or cut off: {problem}; {HOW}") from error
    lacking = whole.lacking(found)
    if lacking is not None:
        raise _wrong(f"{label}: seems to be cut off or changed: {lacking}; {HOW}")
    return found


def _name(entry: Mapping[str, Any]) -> str:
    """Which of several searches it is."""
    metadata = entry.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return f"search {name[:LONGEST_NAME]!r}" if isinstance(name, str) else "a search without a name"


def _wrong(message: str) -> InvalidManifestError:
    return InvalidManifestError(one_line(message), reason=Reason.MALFORMED_REQUEST)
