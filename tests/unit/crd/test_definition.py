"""The CustomResourceDefinition as a whole: bounds, texts, lists, columns, the two files."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from mergesearch.api import updates
from mergesearch.api.resource import MergeSearch
from mergesearch.api.spec import MergeSearchSpec
from mergesearch.crd import definition, paths, rules

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = definition.schema()
PLACES = {
    path: schema
    for name in ("spec", "status")
    for path, schema in paths.walk(SCHEMA["properties"][name], name)
}  # fmt: skip
BOUNDS = {"string": ("maxLength", "enum"), "array": ("maxItems",)}


def is_bounded(schema: dict[str, Any]) -> bool:
    """Whether a value of this place cannot grow without end; what Kubernetes itself defines has no schema here."""
    if schema.get("type") == "object":
        return "properties" in schema or "maxProperties" in schema
    return not BOUNDS.get(schema.get("type", ""), ()) or any(name in schema for name in BOUNDS[schema["type"]])


def test_every_list_map_and_text_is_bounded() -> None:
    assert len(PLACES) > 250
    assert [path for path, schema in PLACES.items() if not is_bounded(schema)] == []


def test_only_what_is_passed_on_to_pods_has_no_schema() -> None:
    free = {path for path, schema in PLACES.items() if "x-kubernetes-preserve-unknown-fields" in schema}

    assert {re.sub(r"(\[\*\])+$", "", path).split(".template.")[1] for path in free} == {
        "tolerations", "affinity", "imagePullSecrets", "securityContext", "env", "volumes", "volumeMounts",
    }  # fmt: skip


def test_every_field_has_a_text_of_whole_sentences_on_one_line() -> None:
    texts = {path: schema.get("description", "") for path, schema in PLACES.items() if not path.endswith("[*]")}

    assert [path for path, text in texts.items() if not re.fullmatch(r"[A-Z`].*[.)]", text)] == []


def test_the_texts_say_of_just_the_fields_that_may_change_that_they_may() -> None:
    said = {path for path, schema in PLACES.items() if re.search(r"May (change|grow)", schema.get("description", ""))}

    assert said == updates.MUTABLE


def test_every_list_says_how_it_is_merged() -> None:
    kinds = {path: schema["x-kubernetes-list-type"] for path, schema in PLACES.items() if schema.get("type") == "array"}

    assert {path for path, kind in kinds.items() if kind == "map"} == definition.LISTS_BY_NAME
    assert set(kinds.values()) == {"map", "atomic"}
    for path in definition.LISTS_BY_NAME:
        assert "name" in paths.find(SCHEMA, f"{path}[*]")["required"]


def test_the_status_has_no_defaults() -> None:
    assert [path for path, schema in PLACES.items() if path.startswith("status") and "default" in schema] == []


def test_the_status_has_no_rules_since_the_operator_alone_writes_it() -> None:
    ruled = [path for path, schema in PLACES.items() if "x-kubernetes-validations" in schema]

    assert [path for path in ruled if path.startswith("status")] == []


def test_a_default_holds_the_defaults_within() -> None:
    search = paths.find(SCHEMA, "spec.search")["default"]

    assert search["maxEvaluations"] == 50
    assert search["algorithm"] == {"cmaes": {"parametrization": "Softmax", "warmStart": True}}


def test_a_number_of_which_a_check_asks_who_wrote_it_has_no_default() -> None:
    for path in definition.READ_WHERE_WRITTEN:
        assert "default" not in paths.find(SCHEMA, path)
        assert "unset" in paths.find(SCHEMA, path)["description"]
    assert "finalists" not in paths.find(SCHEMA, "spec.search")["default"]["confirm"]


def test_the_defaults_are_those_of_the_models() -> None:
    minimal = yaml.safe_load((ROOT / "tests/unit/api/minimal.yaml").read_text(encoding="utf-8"))

    filled = definition.filled(SCHEMA["properties"]["spec"], minimal["spec"])
    for task in filled["objective"]["tasks"]:
        task.update(definition.filled(paths.find(SCHEMA, "spec.objective.tasks[*]"), task))
    for checkpoint in filled["checkpoints"]:
        checkpoint.update(definition.filled(paths.find(SCHEMA, "spec.checkpoints[*]"), checkpoint))

    written = MergeSearch.model_validate(minimal).spec.to_document()
    del written["storage"]["keepBest"], written["search"]["confirm"]["finalists"]
    del written["objective"]["tasks"][0]["chatTemplate"]  # a preset may fill it in
    assert filled == written


@pytest.mark.parametrize("column", definition.COLUMNS, ids=lambda column: str(column["name"]))
def test_a_column_shows_a_field_that_exists(column: dict[str, str]) -> None:
    path = column["jsonPath"].removeprefix(".").replace("[-1:]", "[*]")
    if path == "metadata.creationTimestamp":
        return

    assert paths.find(SCHEMA, path)["type"] == column["type"]


# --- Rules ---

RULES = [
    (path, rule)
    for path, schema in (("", SCHEMA), *PLACES.items())
    for rule in schema.get("x-kubernetes-validations", ())
]


def test_every_rule_of_the_tables_is_at_its_place() -> None:
    for path, entries in rules.by_place().items():
        assert all((path, entry) in RULES for entry in entries), path


@pytest.mark.parametrize(("path", "rule"), RULES, ids=[f"{path}: {rule['rule'][:50]}" for path, rule in RULES])
def test_a_rule_says_in_one_line_what_to_do_and_points_to_a_field(path: str, rule: dict[str, str]) -> None:
    assert rule.keys() <= {"rule", "message", "messageExpression", "fieldPath", "reason"}
    assert 20 <= len(rule["message"]) <= 400
    assert "\n" not in rule["message"] + rule["rule"]
    if "fieldPath" in rule:
        assert paths.find(SCHEMA, f"{path}{rule['fieldPath']}".removeprefix("."))


# --- The two files ---


def test_the_plain_file_is_the_definition() -> None:
    assert yaml.safe_load(definition.manifest()) == definition.definition()


def test_the_plain_file_fits_into_the_annotation_that_kubectl_apply_writes() -> None:
    assert len(definition.manifest()) < 262_144


def test_the_charts_template_is_the_same_behind_its_guards() -> None:
    text = definition.chart_template()
    head, *_ = text.splitlines()[1:]

    assert head == "{{- if .Values.crds.create }}"
    assert text.endswith("{{- end }}\n")
    assert re.findall(r"{{-? .*? }}", text) == [
        "{{- if .Values.crds.create }}",
        "{{- if .Values.crds.keep }}",
        "{{- end }}",
        "{{- end }}",
    ]
    kept = yaml.safe_load("\n".join(line for line in text.splitlines() if "{{" not in line))
    assert kept["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    assert kept == definition.definition()


@pytest.mark.parametrize("text", ["metadata:\n  name: {{ x }}\n", "metadata: {}\n"], ids=["braces", "other metadata"])
def test_a_text_that_helm_would_misread_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"template of Helm|stand elsewhere"):
        definition.guarded(text)


def test_the_spec_of_the_schema_has_the_fields_of_the_model() -> None:
    names = {field.alias for field in MergeSearchSpec.model_fields.values()}

    assert set(SCHEMA["properties"]["spec"]["properties"]) == names
