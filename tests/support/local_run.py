"""A manifest by `mergesearch run`, to compare with."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from mergesearch.api.resource import MergeSearch
from support import history
from support.quickstart import run_command


def on_this_machine(document: Mapping[str, Any], family: Path, folder: Path) -> MergeSearch:
    """The search at its end."""
    folder.mkdir()
    file = folder / "search.yaml"
    file.write_text(yaml.safe_dump(dict(document)))
    command = run_command(file, folder / "state", family, folder / "workspace")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return history.read(folder / "state")
