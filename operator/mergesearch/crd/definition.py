"""The CustomResourceDefinition as a whole, and the two files that hold it; pure."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from mergesearch.api import base
from mergesearch.api.resource import MergeSearch
from mergesearch.api.spec import MergeSearchSpec
from mergesearch.api.status import MergeSearchStatus
from mergesearch.crd import immutability, paths, rules
from mergesearch.crd.paths import Schema
from mergesearch.crd.structural import structural, unwrapped

PLURAL = "mergesearches"
SINGULAR = "mergesearch"
SHORT_NAMES = ("msearch",)
CATEGORIES = ("all",)
NAME = f"{PLURAL}.{base.GROUP}"

COLUMNS: tuple[Mapping[str, str | int], ...] = (
    {"name": "Phase", "type": "string", "jsonPath": ".status.phase"},
    {"name": "Gen", "type": "integer", "jsonPath": ".status.candidates[-1:].generation"},
    {"name": "Done", "type": "integer", "jsonPath": ".status.counts.scored"},
    {"name": "Max", "type": "integer", "jsonPath": ".spec.search.maxEvaluations"},
    {"name": "Best", "type": "number", "jsonPath": ".status.best.fitness"},
    {"name": "Gain", "type": "number", "jsonPath": ".status.gain"},
    {"name": "Failed", "type": "integer", "jsonPath": ".status.counts.failed"},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
)
"""What `kubectl get` shows."""

LISTS_BY_NAME = frozenset({"spec.checkpoints", "spec.storage.volumes"})
"""Lists whose entries have different names; several owners may each apply some of them."""
READ_WHERE_WRITTEN = frozenset({"spec.storage.keepBest", "spec.search.confirm.finalists"}) | {
    f"spec.{part}.tasks[*].{field}" for part in ("objective", "heldOut") for field in ("filter", "chatTemplate")
}
"""Checks and presets ask whether somebody has written these, so the API server must not fill them in."""
_HEADER = "# Generated from the models by `make generate`; do not edit.\n"


def definition() -> dict[str, Any]:
    """The CustomResourceDefinition."""
    names = {
        "kind": base.KIND,
        "listKind": f"{base.KIND}List",
        "plural": PLURAL,
        "singular": SINGULAR,
        "shortNames": list(SHORT_NAMES),
        "categories": list(CATEGORIES),
    }
    version = {
        "name": base.VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [dict(column) for column in COLUMNS],
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": schema()},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": NAME},
        "spec": {"group": base.GROUP, "names": names, "scope": "Namespaced", "versions": [version]},
    }


def schema() -> Schema:
    """The structural schema of the resource with all its rules."""
    root = _root()
    for path, place in _places(root):
        if place.get("type") == "array":
            place.update(_list_type(path))
        # A default in the status would be stored with each of hundreds of records.
        if path in READ_WHERE_WRITTEN or path.split(".")[0] == "status":
            place.pop("default", None)
    for _, place in _places(root):
        if "default" in place:
            place["default"] = filled(place, place["default"])
            place["description"] = _with_default(place)
    for table in (rules.by_place(), immutability.by_place(root["properties"]["spec"])):
        for path, entries in table.items():
            place = paths.find(root, path)
            place["x-kubernetes-validations"] = [*place.get("x-kubernetes-validations", ()), *entries]
    return root


def filled(schema: Schema, value: Any) -> Any:
    """A value with the defaults within it, as the API server will fill it: a default has to meet the rules as it
    stands.
    """
    if not isinstance(value, dict) or "properties" not in schema:
        return value
    fields = schema["properties"]
    defaults = {name: fields[name]["default"] for name in fields if "default" in fields[name]}
    return {name: filled(fields[name], inner) for name, inner in (defaults | value).items()}


def _with_default(place: Schema) -> str:
    """The text of a field with its default, which `kubectl explain` does not show; of parts with fields of their own
    the defaults stand beside those.
    """
    text, value = str(place["description"]), place["default"]
    if isinstance(value, dict) or value in ("", []):
        return text
    shown = ", ".join(value) if isinstance(value, list) else value if isinstance(value, str) else json.dumps(value)
    return f"{text} Default: {shown}."


def _places(root: Schema) -> Iterator[tuple[str, Schema]]:
    for name in ("spec", "status"):
        yield from paths.walk(root["properties"][name], name)


def _root() -> Schema:
    texts = {
        "apiVersion": "Version of the form of this object, `mergesearch.io/v1alpha1`.",
        "kind": "What this object is, `MergeSearch`.",
    }
    return {
        "type": "object",
        "description": unwrapped(MergeSearch.__doc__ or ""),
        "required": ["spec"],
        "properties": {
            **{name: {"type": "string", "maxLength": 253, "description": text} for name, text in texts.items()},
            "metadata": {"type": "object", "properties": {"name": {"type": "string"}}},
            "spec": structural(MergeSearchSpec, "spec"),
            "status": structural(MergeSearchStatus, "status", rules=False),
        },
    }


def _list_type(path: str) -> Schema:
    if path in LISTS_BY_NAME:
        return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
    return {"x-kubernetes-list-type": "atomic"}


def manifest() -> str:
    """The file for `kubectl apply` and for GitOps."""
    return _HEADER + _yaml(definition())


def chart_template() -> str:
    """The chart's template: the same behind `crds.create`, kept on uninstall where `crds.keep` says so."""
    return guarded(_yaml(definition()))


def guarded(text: str) -> str:
    """A definition as a template of Helm. Raises ValueError where Helm would read it otherwise than it stands."""
    plain = f"metadata:\n  name: {NAME}\n"
    keep = "  {{- if .Values.crds.keep }}\n  annotations:\n    helm.sh/resource-policy: keep\n  {{- end }}\n"
    if "{{" in text:
        raise ValueError("a text of the models looks like a template of Helm")
    if text.count(plain) != 1:
        raise ValueError("the metadata of the definition stand elsewhere")
    return f"{_HEADER}{{{{- if .Values.crds.create }}}}\n{text.replace(plain, plain + keep)}{{{{- end }}}}\n"


class _Dumper(yaml.SafeDumper):
    """Writes what several places share at each of them, without anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the signature is PyYAML's
        return True


def _yaml(document: Mapping[str, Any]) -> str:
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
