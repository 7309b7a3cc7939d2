"""Small searches on the quickstart's checkpoints with the real merger and the real evaluator."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
QUICKSTART = REPOSITORY / "examples" / "quickstart"
OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


def run_command(manifest: Path, state: Path, family: Path, workspace: Path) -> list[str]:
    """`mergesearch run` of a manifest with the quickstart's volumes."""
    volumes = {"checkpoints": family, "tasks": QUICKSTART / "tasks", "workspace": workspace}
    given = [f"--volume={name}={path}" for name, path in volumes.items()]
    return [sys.executable, "-P", "-m", "mergesearch_cli.app", "run", str(manifest), f"--state={state}", *given]


@dataclass
class Quickstart:
    """The quickstart's manifest, made small, with volumes and a state folder of its own."""

    family: Path
    folder: Path

    def command(self, **search: Any) -> list[str]:
        """`mergesearch run`, with other fields in `spec.search`."""
        document = yaml.safe_load((QUICKSTART / "mergesearch.yaml").read_text())
        spec = document["spec"]
        spec["checkpoints"] = spec["checkpoints"][:4]
        for task in spec["objective"]["tasks"]:
            task["searchSamples"] = 60
        spec["search"] = {"maxEvaluations": 24, "algorithm": {"cmaes": {"populationSize": 6}}, **search}
        self.folder.mkdir(exist_ok=True)
        manifest = self.folder / "search.yaml"
        manifest.write_text(yaml.safe_dump(document, sort_keys=False))
        return run_command(manifest, self.state, self.family, self.folder / "workspace")

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def start(self, **search: Any) -> subprocess.Popen[str]:
        """Run in a process group of its own."""
        return subprocess.Popen(
            self.command(**search),
            env={**os.environ, **OFFLINE},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, **search: Any) -> str:
        """Run to the end; returns what was printed."""
        process = self.start(**search)
        output, _ = process.communicate(timeout=3600)
        assert process.returncode == 0, output
        return output
