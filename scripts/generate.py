"""Write the files that are generated from the code, or with `--check` say which are stale.

A generated file is the text that a function without arguments returns; the table below is the whole list.
"""

import argparse
import functools
import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic.json_schema import models_json_schema

from mergesearch import contract
from mergesearch.api import presets, resource, spec
from mergesearch.crd import definition, reference
from mergesearch.report import advice
from mergesearch_operator import families

ROOT = Path(__file__).resolve().parent.parent
Schema = dict[str, Any]


def resource_schema() -> str:
    """JSON Schema of a manifest, for editors that check YAML while it is written."""
    return _json(resource.MergeSearch.model_json_schema(by_alias=True))


def messages_schema() -> str:
    """JSON Schemas of all requests and reports that cross a process border."""
    names = ("Merge", "Evaluation", "PreflightCheckpoints", "PreflightTasks", "Compare", "Cleanup")
    models = [getattr(contract, name + end) for end in ("Request", "Report") for name in names]
    models.append(contract.ReadRequest)
    _, schema = models_json_schema([(model, "validation") for model in models], by_alias=True)
    return _json({"title": "Requests and reports", "version": contract.CONTRACT_VERSION, **schema})


def stalls_page() -> str:
    """Every reason of a stall that has an advice of its own."""
    lines = [
        "# Why a search stalls, and the way out",
        "",
        "Generated from `operator/mergesearch/report/advice.py` by `make generate`.",
        "",
        "A stalled search keeps everything and starts nothing. The condition `Stalled` and an Event hold its reason,",
        "with a sentence that names what is wrong. The way out of a reason that is not listed here: "
        + advice.DEFAULT.format(retry=advice.RETRY[advice.Place.CLUSTER]),
        "",
        "| reason | what to do on a cluster |",
        "|---|---|",
    ]
    places = ((reason, advice.after_stall(reason, advice.Place.CLUSTER, scored=False)) for reason in advice.STALLED)
    return "\n".join([*lines, *(f"| `{reason}` | {text} |" for reason, text in places)]) + "\n"


def spec_reference() -> str:
    """Every field of the spec: path, type, default and what it is for."""
    schema = spec.MergeSearchSpec.model_json_schema(by_alias=True)
    lines = [
        "# Fields of the spec",
        "",
        "Generated from `operator/mergesearch/api/spec.py` by `make generate`. Beside it: the [fields of the "
        "status](status.md), and [what the API server checks](rules.md).",
        "",
        "| field | type | default | |",
        "|---|---|---|---|",
    ]
    for path, field, required in _fields(schema, schema, "spec"):
        default = "**required**" if required else _default(field)
        text = _inline(str(field.get("description") or _resolved(schema, field).get("description", "")))
        lines.append(f"| `{path}` | {_type(schema, field)} | {default} | {text} |")
    return "\n".join(lines) + "\n"


def presets_page() -> str:
    """What the presets of tasks fill in, and which tasks the presets of objectives stand for."""
    lines = [
        "# Presets of tasks",
        "",
        "Generated from `operator/mergesearch/api/presets.py` by `make generate`. How to use them: [tasks and presets]"
        "(../user-guide.md#tasks-and-presets).",
        "",
        "A task `{preset: GSM8K}` is the task of that line; each field that is written beside the preset wins. A "
        "preset keeps its meaning in every later release.",
        "",
        "| `preset` | `name` | `metric` | `filter` | `numFewshot` | `chatTemplate` | `searchSamples` | `unseenSamples` "
        "| |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, one in presets.TASKS.items():
        template = "true" if one.chat_template else "false"
        unseen = one.unseen_samples or "all others"
        filled = f"`{one.name}` | `{one.metric}` | `{one.filter}` | {one.num_fewshot} | {template}"
        lines.append(f"| `{name}` | {filled} | {one.search_samples} | {unseen} | {one.about} |")
    lines += [
        "",
        "As a held-out task a preset takes the samples of both columns. `{preset: MBPP-IFEval}` in the place of "
        "`spec.objective.tasks` stands for several tasks:",
        "",
        "| `spec.objective.preset` | tasks |",
        "|---|---|",
        *(f"| `{name}` | {', '.join(f'`{one}`' for one in tasks)} |" for name, tasks in presets.OBJECTIVES.items()),
    ]
    return "\n".join(lines) + "\n"


def metrics_reference() -> str:
    """Every metric of the operator: name, kind, labels and what it says."""
    lines = [
        "# Metrics of the operator",
        "",
        "Generated from `operator/mergesearch_operator/families.py` by `make generate`.",
        "",
        "The operator serves them at `/metrics`. Series with the labels `namespace` and `name` are those of one search,"
        " and vanish with it. Besides these there are the usual ones of a process, such as"
        " `process_resident_memory_bytes`.",
        "",
        "| metric | kind | labels | |",
        "|---|---|---|---|",
    ]
    for family in families.ALL:
        labels = ", ".join(f"`{label}`" for label in family.labels)
        lines.append(f"| `{family.full_name}` | {family.kind} | {labels} | {_inline(family.text)} |")
    return "\n".join(lines) + "\n"


def page_of_tests(module: str) -> str:
    """A page whose sentences are what the program says to a table of cases in the tests."""
    tests = str(ROOT / "tests")
    if tests not in sys.path:
        sys.path.insert(0, tests)
    return str(importlib.import_module(module).render())


GENERATED: dict[str, Callable[[], str]] = {
    "charts/mergesearch/templates/crd.yaml": definition.chart_template,
    "crds/mergesearch.io_mergesearches.yaml": definition.manifest,
    "docs/bad-checkpoints.md": functools.partial(page_of_tests, "unit.merger.bad_checkpoints_page"),
    "docs/bad-manifests.md": functools.partial(page_of_tests, "unit.api.bad_manifests_page"),
    "docs/bad-tasks.md": functools.partial(page_of_tests, "evaluator_support.bad_tasks_page"),
    "docs/reference/chart.md": functools.partial(page_of_tests, "chart.values_page"),
    "docs/reference/mergesearch.schema.json": resource_schema,
    "docs/reference/messages.schema.json": messages_schema,
    "docs/reference/presets.md": presets_page,
    "docs/reference/rules.md": reference.rules_page,
    "docs/reference/stalls.md": stalls_page,
    "docs/reference/metrics.md": metrics_reference,
    "docs/reference/spec.md": spec_reference,
    "docs/reference/status.md": reference.status_page,
    "docs/sizing.md": functools.partial(page_of_tests, "unit.merger.sizing_page"),
}


def main() -> int:
    """Write what has changed; with `--check` write nothing and end with 1 if something would."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="name the stale files instead of writing them")
    parser.add_argument("names", nargs="*", metavar="FILE", help="only these files; all of them by default")
    arguments = parser.parse_args()
    check = arguments.check
    if unknown := set(arguments.names) - set(GENERATED):
        parser.error(f"not generated: {', '.join(sorted(unknown))}")
    rendered = {name: GENERATED[name]() for name in arguments.names or GENERATED}
    stale = [name for name, text in rendered.items() if _stands(name) != text]
    for name in stale:
        if check:
            sys.stderr.write(f"{name} is stale: run `make generate`\n")
        else:
            (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / name).write_text(rendered[name], encoding="utf-8")
            sys.stderr.write(f"wrote {name}\n")
    return int(check and bool(stale))


def _stands(name: str) -> str | None:
    path = ROOT / name
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _json(document: Schema) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _fields(root: Schema, model: Schema, path: str) -> Iterator[tuple[str, Schema, bool]]:
    required = model.get("required", [])
    for name, field in model.get("properties", {}).items():
        here = f"{path}.{name}"
        yield here, field, name in required
        inner, suffix = _resolved(root, field), ""
        if inner.get("type") == "array" and "items" in inner:
            inner, suffix = _resolved(root, inner["items"]), "[]"
        if "properties" in inner:
            yield from _fields(root, inner, here + suffix)


def _resolved(root: Schema, field: Schema) -> Schema:
    """The schema behind a reference and behind "or null"."""
    choices = [choice for choice in field.get("anyOf", []) if choice.get("type") != "null"]
    if len(choices) == 1:
        return _resolved(root, choices[0])
    if "$ref" in field:
        return _resolved(root, root["$defs"][field["$ref"].rsplit("/", 1)[1]])
    return field


def _type(root: Schema, field: Schema) -> str:
    inner = _resolved(root, field)
    if "anyOf" in inner:
        return " or ".join(_type(root, choice) for choice in inner["anyOf"] if choice.get("type") != "null")
    if "const" in inner:
        return f"`{inner['const']}`"
    if "enum" in inner:
        return ", ".join(f"`{value}`" for value in inner["enum"])
    if inner.get("type") == "array":
        return f"list of {_type(root, inner.get('items', {}))}"
    if inner.get("type") == "object" and "additionalProperties" in inner and "properties" not in inner:
        return "map"
    return str(inner.get("type", "anything"))


def _default(field: Schema) -> str:
    """Of a part with fields of its own the defaults stand beside those."""
    value = field.get("default")
    return "" if value is None or isinstance(value, dict) else f"`{json.dumps(value, ensure_ascii=False)}`"


def _inline(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())
