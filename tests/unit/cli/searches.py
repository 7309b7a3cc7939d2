"""Small manifests for tests of the command line."""

from pathlib import Path
from typing import Any

from mergesearch.api.resource import MergeSearch


def search(checkpoints: int = 2, *, volumes: tuple[str, ...] = (), **parts: Any) -> MergeSearch:
    """A search over folders `m-0`, `m-1` and so on, with further volumes of inputs; other parts as given."""
    claim = {"persistentVolumeClaim": {"claimName": "c"}}
    spec = {
        "checkpoints": [{"name": f"m-{i}", "path": f"m-{i}"} for i in range(checkpoints)],
        "storage": {
            "checkpoints": claim,
            "workspace": claim,
            "volumes": [{"name": name, **claim} for name in volumes],
        },
        "objective": {"tasks": [{"name": "a", "metric": "acc"}]},
        **parts,
    }
    return MergeSearch.model_validate(
        {
            "apiVersion": "mergesearch.io/v1alpha1",
            "kind": "MergeSearch",
            "metadata": {"name": "soup", "uid": "0f0f-1"},
            "spec": spec,
        }
    )


def weights(root: Path, *sizes: int) -> Path:
    """A volume whose checkpoints have so many bytes of weights each."""
    for number, size in enumerate(sizes):
        folder = root / f"m-{number}"
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(bytes(size))
    return root
