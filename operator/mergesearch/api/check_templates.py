"""Facts about the fields that are passed on to pods: what Kubernetes would refuse, and what MergeSearch sets; pure."""

import json
import re
from collections.abc import Iterator, Mapping

from mergesearch.api import spec
from mergesearch.api.check_pods import stages
from mergesearch.api.check_volumes import is_subdomain
from mergesearch.api.problem import Path, Problem, listing, nearest, render, words
from mergesearch.api.resource import MergeSearch
from mergesearch.contract import SLICE_VARIABLE
from mergesearch.files import CHECKPOINTS_VOLUME, WORKSPACE_VOLUME

OWN_LABELS = "mergesearch.io/"
OWN_VARIABLES = "MERGESEARCH_"

_LABEL = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_VARIABLE = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_KNOWN: dict[str, tuple[str, ...]] = {
    "tolerations": ("key", "operator", "value", "effect", "tolerationSeconds"),
    "imagePullSecrets": ("name",),
    "affinity": ("nodeAffinity", "podAffinity", "podAntiAffinity"),
    "securityContext": (
        "fsGroup",
        "fsGroupChangePolicy",
        "runAsGroup",
        "runAsNonRoot",
        "runAsUser",
        "seccompProfile",
        "seLinuxOptions",
        "supplementalGroups",
        "supplementalGroupsPolicy",
        "sysctls",
    ),
    "env": ("name", "value", "valueFrom"),
    "volumeMounts": ("name", "mountPath", "subPath", "subPathExpr", "readOnly", "mountPropagation"),
}
"""Fields of Kubernetes; others may come with its releases, so only what looks like a misspelt one is refused."""


def labels_are_labels(resource: MergeSearch) -> Iterator[Problem]:
    """Kubernetes refuses a pod with other names and values; the operator's own are not to be set."""
    for stage_name, stage in stages(resource):
        template = stage.template
        for field, values in (("labels", template.labels), ("nodeSelector", template.node_selector)):
            yield from _labels(("spec", stage_name, "template", field), values)
        for name in template.annotations:
            if not _is_label_name(name):
                where = render(("spec", stage_name, "template", "annotations", name))
                yield Problem(where, words(name), "a name like example.com/team", "this is no name of an annotation")


def variables_have_names(resource: MergeSearch) -> Iterator[Problem]:
    """Some names belong to MergeSearch, and values are texts."""
    for stage_name, stage in stages(resource):
        for index, entry in enumerate(stage.template.env):
            yield from _variable(f"spec.{stage_name}.template.env[{index}]", entry)


def mounts_have_volumes(resource: MergeSearch) -> Iterator[Problem]:
    """Volumes of the pods have names of their own, and mounts refer to them."""
    taken = {CHECKPOINTS_VOLUME, WORKSPACE_VOLUME, *(volume.name for volume in resource.spec.storage.volumes)}
    for stage_name, stage in stages(resource):
        where = f"spec.{stage_name}.template"
        yield from _volumes(where, stage.template, taken)
        names = [str(volume["name"]) for volume in stage.template.volumes if "name" in volume]
        for index, entry in enumerate(stage.template.volume_mounts):
            name, path, mount = entry.get("name"), entry.get("mountPath"), f"{where}.volumeMounts[{index}]"
            if name not in names and len(names) == len(stage.template.volumes):
                near = nearest(name, names) if isinstance(name, str) else ""
                allowed = f"volumes of {where}: {listing(names)}"
                rests_on = (f"{where}.volumes",)
                yield Problem(f"{mount}.name", words(name), allowed, "no volume has this name", near, rests_on=rests_on)
            if not isinstance(path, str):
                yield Problem(f"{mount}.mountPath", words(path), "a path such as /cache", "a mount needs a path")


def passed_on_fields_are_spelt_right(resource: MergeSearch) -> Iterator[Problem]:
    """What is passed on to pods as it is may have any field, but hardly one that is nearly another."""
    for stage_name, stage in stages(resource):
        document = stage.template.to_document()
        for field, known in _KNOWN.items():
            value = document.get(field)
            entries = enumerate(value) if isinstance(value, list) else [] if value is None else [(None, value)]
            for index, entry in entries:
                for name in entry:
                    near = nearest(name, known, 0.8)
                    if name not in known and near:
                        steps = (name,) if index is None else (index, name)
                        where = render(("spec", stage_name, "template", field, *steps))
                        allowed = ", ".join(known)
                        yield Problem(where, words(entry[name]), allowed, "Kubernetes has no such field", near)


def _labels(path: Path, values: Mapping[str, str]) -> Iterator[Problem]:
    for name, value in values.items():
        where = render((*path, name))
        if not _is_label_name(name):
            yield Problem(where, words(name), "a name like team or example.com/team", "this is no name of a label")
        elif path[-1] == "labels" and name.startswith(OWN_LABELS):
            yield Problem(where, words(name), "another name", f"labels of {OWN_LABELS} are set by the operator")
        if value and not _LABEL.fullmatch(value):
            allowed = "at most 63 letters, digits, -, _ and ., with a letter or digit at both ends"
            yield Problem(where, words(value), allowed, "this is no value of a label")


def _volumes(where: str, template: spec.PodTemplate, taken: set[str]) -> Iterator[Problem]:
    names: list[object] = []
    for index, entry in enumerate(template.volumes):
        name, place = entry.get("name"), f"{where}.volumes[{index}].name"
        if not isinstance(name, str):
            yield Problem(place, words(name), "a name", "a volume needs a name")
        elif name in taken:
            rests_on = ("spec.storage.volumes[*].name", "spec.storage.volumes.length")
            message = "the search has a volume of this name"
            yield Problem(place, words(name), "another name", message, rests_on=rests_on)
        elif name in names:
            yield Problem(place, words(name), "names that differ", "this volume stands there twice")
        names.append(name)


def _variable(where: str, entry: Mapping[str, object]) -> Iterator[Problem]:
    name, value = entry.get("name"), entry.get("value")
    if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
        yield Problem(f"{where}.name", words(name), "a name such as HF_HOME", "a variable needs a name")
    elif name.startswith(OWN_VARIABLES):
        message = f"variables that begin with {OWN_VARIABLES} are set by MergeSearch"
        yield Problem(f"{where}.name", words(name), "another name", message)
    elif name == SLICE_VARIABLE:
        yield Problem(f"{where}.name", words(name), "another name", "Kubernetes numbers the slices of a merge by it")
    if value is not None and not isinstance(value, str):
        scalar = isinstance(value, bool | int | float)
        message = f'write it in quotes: "{json.dumps(value)}"' if scalar else "this is not a valid value"
        yield Problem(f"{where}.value", words(value), "a text", message)


def _is_label_name(name: str) -> bool:
    prefix, slash, rest = name.rpartition("/")
    return _LABEL.fullmatch(rest) is not None and (not slash or is_subdomain(prefix))
