"""A manifest by `mergesearch run`, to compare with."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from mergesearch.api.resource import MergeSearch
from support import history
from support.quickstart import QUICKSTART


def on_this_machine(document: Mapping[str, Any], family: Path, folder: Path) -> MergeSearch:
    """The search at its end."""
    folder.mkdir()
    file = folder / "search.yaml"
    file.write_text(yaml.safe_dump(dict(document)))
    volumes = {"checkpoints": family, "tasks": QUICKSTART / "tasks", "workspace": folder / "workspace"}
    command = [sys.executable, "-P", "-m", "mergesearch_cli.app", "run", str(file), f"--state={folder / 'state'}"]
    command += [f"--volume={name}={path}" for name, path in volumes.items()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return history.read(folder / "state")
