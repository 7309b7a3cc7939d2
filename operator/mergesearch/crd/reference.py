"""Pages about the resource for people: its status, and what the API server checks; pure, from the same schema."""

import re
from collections.abc import Iterator

from mergesearch.api import updates
from mergesearch.crd import definition, paths, rules
from mergesearch.crd.paths import ENTRY, Schema

_GENERATED = "Generated from the models by `make generate`."


def status_page() -> str:
    """Every field of the status, and the columns of `kubectl get`."""
    lines = [
        "# Fields of the status",
        "",
        f"{_GENERATED} A search keeps here all that it knows; only the operator writes it.",
        "",
        "`kubectl get msearch` shows:",
        "",
        "| column | field |",
        "|---|---|",
        *(f"| {column['name']} | `{str(column['jsonPath']).removeprefix('.')}` |" for column in definition.COLUMNS),
        "",
        "| field | type | |",
        "|---|---|---|",
    ]
    status = definition.schema()["properties"]["status"]
    for path, schema in paths.walk(status, "status"):
        if path != "status" and not path.endswith(ENTRY):
            lines.append(f"| `{_shown(path)}` | {_type(schema)} | {_cell(schema['description'])} |")
    return "\n".join(lines) + "\n"


def rules_page() -> str:
    """What the API server checks beyond types and bounds, with the words in which it refuses; and what may change."""
    lines = [
        "# What the API server checks",
        "",
        f"{_GENERATED} Types, bounds and required fields are in [the fields of the spec](spec.md); these rules look "
        "at several fields at once, or at what a text means. `mergesearch validate` makes the same checks and more, "
        "without a cluster and all at once.",
        "",
        "| field | what it says when it refuses |",
        "|---|---|",
        *(f"| {place} | {_cell(message)} |" for place, message in _rules(changes=False)),
        "",
        "## What only `mergesearch validate` sees",
        "",
        "The API server lets these pass. It also drops a field that is written without a value, where `validate` asks "
        "for one.",
        "",
        *(f"- {sentence}" for sentence in rules.GAPS.values()),
        "",
        "## What may change while a search runs",
        "",
        *(f"- `{path}`{' (only up)' if path in updates.ONLY_UP else ''}" for path in sorted(updates.MUTABLE)),
        "",
        "Everything else decides what was searched already, and is refused:",
        "",
        "| field | what it says when it refuses |",
        "|---|---|",
        *(f"| {place} | {_cell(message)} |" for place, message in _rules(changes=True)),
    ]
    return "\n".join(lines) + "\n"


def _rules(*, changes: bool) -> Iterator[tuple[str, str]]:
    """Place and message of the rules for updates, or of all others; each message once."""
    places: dict[str, list[str]] = {}
    root = definition.schema()
    nodes = [("", root), *paths.walk(root["properties"]["spec"], "spec")]
    for path, schema in nodes:
        for rule in schema.get("x-kubernetes-validations", ()):
            if ("oldSelf" in rule["rule"]) == changes:
                place = f"{path}{rule.get('fieldPath', '')}".removeprefix(".")
                places.setdefault(rule["message"], []).append(place)
    for message, found in places.items():
        yield "<br>".join(f"`{_shown(place)}`" for place in dict.fromkeys(found)), message


def _shown(path: str) -> str:
    return path.replace(ENTRY, "[]")


def _type(schema: Schema) -> str:
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema["type"] == "array":
        return f"list of {_type(schema['items'])}"
    if "additionalProperties" in schema:
        return f"map of {_type(schema['additionalProperties'])}"
    return "time" if schema.get("format") == "date-time" else str(schema["type"])


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")
