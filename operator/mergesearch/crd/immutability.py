"""Which updates the API server allows, as rules in CEL; pure, derived from the table in `api/updates.py`.

A part of the spec of which nothing may change has one rule at its top. Where a field that may change lies within, the
fields around it have rules of their own; one that may be left out also has a rule at its parent, since a rule of a
field is not asked when the field comes or goes. Kubernetes compares a list of type map without its order, and the
order of checkpoints and tasks is what the vectors and scores of a status go by: it is compared beside.
"""

from collections.abc import Iterable, Iterator

from mergesearch.api import updates
from mergesearch.crd.cel import Rules, rule
from mergesearch.crd.paths import Schema, below

REMEDY = "delete the search and create it again, or create another one under a new name"
SOONER = (
    "to end the search with what it has, set spec.search.maxDuration to 1s once a candidate is scored; suspend only "
    "pauses it"
)

_FORBIDDEN = {"reason": "FieldValueForbidden"}


def by_place(spec: Schema, mutable: Iterable[str] = updates.MUTABLE, only_up: Iterable[str] = updates.ONLY_UP) -> Rules:
    """The rules for a structural schema of the spec, with its list types; by the place to which they are attached."""
    found: Rules = {}
    for path, entry in _rules(spec, "spec", frozenset(mutable), frozenset(only_up)):
        found[path] = (*found.get(path, ()), entry)
    return found


def _rules(schema: Schema, path: str, mutable: frozenset[str], only_up: frozenset[str]) -> Iterator[tuple[str, Schema]]:
    if path in only_up:
        message = f"{path} can only grow while a search runs: keep it or raise it; {SOONER}"
        yield path, rule("self >= oldSelf", message, **_FORBIDDEN)
    if path in mutable:
        return
    if not any(one.startswith(f"{path}.") for one in mutable):
        yield path, rule("self == oldSelf", f"{path} cannot change once a search exists: {REMEDY}", **_FORBIDDEN)
        yield from _order(schema, path)
        return
    for name, child in schema["properties"].items():
        here = below(path, name)
        if here not in mutable and name not in schema.get("required", ()) and "default" not in child:
            message = f"{here} can be neither added nor removed once a search exists: {REMEDY}"
            yield path, rule(f"has(self.{name}) == has(oldSelf.{name})", message, **_FORBIDDEN)
        yield from _rules(child, here, mutable, only_up)


def _order(schema: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    if schema.get("x-kubernetes-list-type") == "map":
        (key,) = schema["x-kubernetes-list-map-keys"]
        message = f"the order of {path} cannot change once a search exists: restore it"
        names, old = f"self.map(a, a.{key})", f"oldSelf.map(a, a.{key})"
        # Names that come, go or are written otherwise are told by the rule beside it.
        others = f"size(self) != size(oldSelf) || !{names}.all(a, a in {old})"
        yield path, rule(f"{names} == {old} || {others}", message, **_FORBIDDEN)
    for name, child in schema.get("properties", {}).items():
        yield from _order(child, below(path, name))
