"""Volumes of the node: a folder of this machine, bound by name to one claim."""

from pathlib import Path
from typing import Any

from cluster.handle import Client


def bind(client: Client, namespace: str, claim: str, folder: Path, *, mode: str = "ReadWriteMany") -> None:
    """Makes a claim and the volume that it is bound to; the folder is made if missing, and writable for every user."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o777)
    client.apply(*objects(namespace, claim, folder, mode=mode))


def objects(namespace: str, claim: str, folder: Path, *, mode: str = "ReadWriteMany") -> list[dict[str, Any]]:
    """The PersistentVolume and the PersistentVolumeClaim."""
    name = f"{namespace}-{claim}"
    common: dict[str, Any] = {"accessModes": [mode], "storageClassName": ""}
    volume = common | {
        "capacity": {"storage": "100Gi"},
        "hostPath": {"path": str(folder), "type": "Directory"},
        "persistentVolumeReclaimPolicy": "Retain",
        "claimRef": {"namespace": namespace, "name": claim},
    }
    wish = common | {"volumeName": name, "resources": {"requests": {"storage": "1Gi"}}}
    return [
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": volume},
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": claim, "namespace": namespace},
            "spec": wish,
        },
    ]
