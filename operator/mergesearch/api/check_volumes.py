"""Facts about volumes, claims and the folders on them; pure."""

import posixpath
import re
from collections.abc import Iterator

from mergesearch.api.problem import Problem, listing, nearest, repeated, words
from mergesearch.api.resource import MergeSearch
from mergesearch.api.spec import MergeSearchSpec
from mergesearch.files import CHECKPOINTS_VOLUME, WORKSPACE_VOLUME

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
SUBDOMAIN = "lower-case letters, digits, - and ., with a letter or digit at both ends"


def is_subdomain(name: str) -> bool:
    """Whether Kubernetes takes `name` for an object such as a claim."""
    return len(name) <= 253 and _SUBDOMAIN.fullmatch(name) is not None


def folders_lie_within_their_volumes(resource: MergeSearch) -> Iterator[Problem]:
    """A path with `..` can lead out of its volume."""
    for where, (_, path) in _folders(resource.spec).items():
        if ".." in path.split("/"):
            yield Problem(f"{where}.path", words(path), "a path without ..", "this may lead out of its volume")


def task_folders_are_different(resource: MergeSearch) -> Iterator[Problem]:
    """A folder that is read twice defines its tasks twice."""
    folders = resource.spec.evaluator.task_folders
    for index, first in repeated([(one.volume, posixpath.normpath(one.path)) for one in folders]):
        here, other = f"spec.evaluator.taskFolders[{index}]", f"spec.evaluator.taskFolders[{first}]"
        rests_on = (f"{here}.volume", f"{other}.path", f"{other}.volume")
        message = f"{other} is the same folder of the same volume"
        yield Problem(f"{here}.path", words(folders[index].path), "each folder once", message, rests_on=rests_on)


def volume_names_are_free(resource: MergeSearch) -> Iterator[Problem]:
    """Two names are taken, and each further one names one volume."""
    names = [volume.name for volume in resource.spec.storage.volumes]
    for index, name in enumerate(names):
        if name in (CHECKPOINTS_VOLUME, WORKSPACE_VOLUME):
            message = f"this name belongs to spec.storage.{name}"
            yield Problem(f"spec.storage.volumes[{index}].name", words(name), "another name", message)
    for index, first in repeated(names):
        other = f"spec.storage.volumes[{first}].name"
        yield Problem(
            f"spec.storage.volumes[{index}].name",
            words(names[index]),
            "names that differ",
            f"{other} has this name already",
            rests_on=(other,),
        )


def volumes_exist(resource: MergeSearch) -> Iterator[Problem]:
    """Checkpoints and task folders lie on a volume that the manifest names."""
    further = [volume.name for volume in resource.spec.storage.volumes if volume.name != WORKSPACE_VOLUME]
    names = list(dict.fromkeys([CHECKPOINTS_VOLUME, *further]))
    rests_on = ("spec.storage.volumes[*].name", "spec.storage.volumes.length")
    for where, (name, _) in _folders(resource.spec).items():
        here, found, allowed = f"{where}.volume", words(name), listing(names)
        if name == WORKSPACE_VOLUME:
            yield Problem(here, found, allowed, "the workspace is written to, inputs lie elsewhere", rests_on=rests_on)
        elif name not in names:
            message = "spec.storage names no such volume"
            yield Problem(here, found, allowed, message, nearest(name, names), rests_on=rests_on)


def _folders(spec: MergeSearchSpec) -> dict[str, tuple[str, str]]:
    """Volume and path of everything that is read, by its place."""
    checkpoints, folders = enumerate(spec.checkpoints), enumerate(spec.evaluator.task_folders)
    return {f"spec.checkpoints[{index}]": (one.volume, one.path) for index, one in checkpoints} | {
        f"spec.evaluator.taskFolders[{index}]": (one.volume, one.path) for index, one in folders
    }


def workspace_is_one_claim(resource: MergeSearch) -> Iterator[Problem]:
    """Merges are written to an existing claim or to one made for the search."""
    workspace = resource.spec.storage.workspace
    count = (workspace.persistent_volume_claim is not None) + (workspace.claim_template is not None)
    if count != 1:
        where = "spec.storage.workspace"
        fields = ("persistentVolumeClaim", "claimTemplate")
        yield Problem(
            where,
            "both" if count else "neither",
            f"exactly one of {listing(fields)}",
            "it takes one claim to write to",
            rests_on=tuple(f"{where}.{field}.presence" for field in fields),
        )


def claim_can_be_shared(resource: MergeSearch) -> Iterator[Problem]:
    """With ReadWriteOncePod one pod at a time can mount the workspace."""
    template = resource.spec.storage.workspace.claim_template
    modes = template.access_modes if template is not None else ()
    where = "spec.storage.workspace.claimTemplate.accessModes"
    if "ReadWriteOncePod" in modes and len(modes) > 1:
        found = ", ".join(modes)
        yield Problem(where, found, "ReadWriteOncePod alone, or others", "ReadWriteOncePod allows no mode beside it")
    parallelism = resource.spec.search.parallelism
    if "ReadWriteOncePod" in modes and parallelism > 1:
        message = f"one pod at a time can mount the workspace, spec.search.parallelism is {parallelism}"
        rests_on = ("spec.search.parallelism",)
        yield Problem(where, "ReadWriteOncePod", "ReadWriteMany, or a parallelism of 1", message, rests_on=rests_on)
    slices = resource.spec.merger.slices
    if "ReadWriteOncePod" in modes and slices > 1:
        message = f"one pod at a time can mount the workspace, spec.merger.slices is {slices}"
        rests_on = ("spec.merger.slices",)
        yield Problem(where, "ReadWriteOncePod", "ReadWriteMany, or a single slice", message, rests_on=rests_on)
    for index, _ in repeated(modes):
        yield Problem(
            f"{where}[{index}]", modes[index], "each mode once", "this mode stands there twice", rests_on=(where,)
        )


def claim_names_are_names(resource: MergeSearch) -> Iterator[Problem]:
    """Kubernetes finds no claim or class whose name cannot exist."""
    storage = resource.spec.storage
    names = {
        "checkpoints.persistentVolumeClaim.claimName": storage.checkpoints.persistent_volume_claim.claim_name,
        **{
            f"volumes[{index}].persistentVolumeClaim.claimName": volume.persistent_volume_claim.claim_name
            for index, volume in enumerate(storage.volumes)
        },
    }
    if storage.workspace.persistent_volume_claim is not None:
        names["workspace.persistentVolumeClaim.claimName"] = storage.workspace.persistent_volume_claim.claim_name
    template = storage.workspace.claim_template
    if template is not None and template.storage_class_name:
        names["workspace.claimTemplate.storageClassName"] = template.storage_class_name
    for where, name in names.items():
        if not is_subdomain(name):
            yield Problem(f"spec.storage.{where}", words(name), SUBDOMAIN, "Kubernetes knows no such names")
