"""Which rules follow from the table of fields that may change."""

from typing import Any

from mergesearch.api import updates
from mergesearch.crd import definition, immutability

TEXT = {"type": "string"}
NAMED = {
    "type": "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name"],
    "items": {"type": "object", "properties": {"name": TEXT}},
}

ORDER = (
    "self.map(a, a.name) == oldSelf.map(a, a.name) || size(self) != size(oldSelf) || "
    "!self.map(a, a.name).all(a, a in oldSelf.map(a, a.name))"
)


def rules_of(properties: dict[str, Any], *mutable: str, required: tuple[str, ...] = ()) -> dict[str, list[str]]:
    schema = {"type": "object", "properties": properties, "required": list(required)}
    found = immutability.by_place(schema, mutable, [path for path in mutable if path.endswith("budget")])
    return {path: [entry["rule"] for entry in entries] for path, entries in found.items()}


def test_a_part_of_which_nothing_may_change_has_one_rule() -> None:
    part = {"type": "object", "properties": {"a": TEXT, "b": TEXT}}

    assert rules_of({"part": part, "retry": TEXT}, "spec.retry", required=("part",)) == {
        "spec.part": ["self == oldSelf"]
    }


def test_the_fields_around_one_that_may_change_have_rules_of_their_own() -> None:
    part = {"type": "object", "properties": {"a": TEXT, "b": TEXT, "retry": TEXT}, "required": ["a", "b"]}

    assert rules_of({"part": part}, "spec.part.retry", required=("part",)) == {
        "spec.part.a": ["self == oldSelf"],
        "spec.part.b": ["self == oldSelf"],
    }


def test_a_field_that_may_be_left_out_can_neither_come_nor_go() -> None:
    assert rules_of({"a": TEXT, "retry": TEXT}, "spec.retry") == {
        "spec": ["has(self.a) == has(oldSelf.a)"],
        "spec.a": ["self == oldSelf"],
    }


def test_a_field_with_a_default_is_always_there() -> None:
    assert rules_of({"a": TEXT | {"default": ""}, "retry": TEXT}, "spec.retry") == {"spec.a": ["self == oldSelf"]}


def test_the_order_of_a_list_by_name_is_compared_beside() -> None:
    assert rules_of({"list": NAMED, "retry": TEXT}, "spec.retry", required=("list",)) == {
        "spec.list": ["self == oldSelf", ORDER]
    }


def test_the_order_of_a_list_deep_in_a_part_is_compared_too() -> None:
    part = {"type": "object", "properties": {"list": NAMED}, "required": ["list"]}

    assert rules_of({"part": part, "retry": TEXT}, "spec.retry", required=("part",)) == {
        "spec.part": ["self == oldSelf"],
        "spec.part.list": [ORDER],
    }


def test_a_budget_that_only_grows_says_so() -> None:
    assert rules_of({"budget": TEXT}, "spec.budget") == {"spec.budget": ["self >= oldSelf"]}


def test_a_spec_of_which_nothing_may_change_has_one_rule_for_all() -> None:
    assert rules_of({"a": TEXT}) == {"spec": ["self == oldSelf"]}


def test_every_refusal_says_the_way_out() -> None:
    found = immutability.by_place(definition.schema()["properties"]["spec"])
    for entries in found.values():
        for entry in entries:
            assert entry["reason"] == "FieldValueForbidden"
            assert any(remedy in entry["message"] for remedy in (immutability.REMEDY, "restore it", "raise it"))


def test_no_field_that_may_change_is_held() -> None:
    held = set(immutability.by_place(definition.schema()["properties"]["spec"])) - updates.ONLY_UP

    assert [path for path in updates.MUTABLE for place in held if f"{path}.".startswith(f"{place}.")] == []
