"""A small search on real files: the real merger, a scripted evaluator, in a folder of its own."""

import io
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from mergesearch.errors import CliExitCode
from mergesearch_cli import running
from mergesearch_cli.runner import Commands
from mergesearch_cli.state import StateFolder
from support import checkpoints

HERE = Path(__file__).parent
SCRIPTED = HERE / "scripted_evaluator.py"
COMMANDS = Commands(evaluator=(sys.executable, "-P", str(SCRIPTED)))


@dataclass
class Bench:
    """A manifest, its volumes and a state folder."""

    folder: Path
    document: dict[str, Any]
    output: io.StringIO = field(default_factory=io.StringIO)

    @property
    def state(self) -> StateFolder:
        return StateFolder(self.folder / "state")

    @property
    def manifest(self) -> Path:
        path = self.folder / "search.yaml"
        path.write_text(yaml.safe_dump(self.document, sort_keys=False))
        return path

    @property
    def volumes(self) -> list[str]:
        return [f"checkpoints={self.folder / 'checkpoints'}", f"workspace={self.folder / 'workspace'}"]

    @property
    def spec(self) -> Any:
        return self.document["spec"]

    def run(self, *, retry: bool = False, commands: Commands = COMMANDS) -> CliExitCode:
        """Run in this process until the search rests."""
        console = Console(file=self.output, width=160)
        return running.run(self.manifest, self.volumes, self.state, console, retry=retry, commands=commands)

    def start(self, *, seconds: float = 0.0) -> subprocess.Popen[str]:
        """Run in a process group of its own."""
        arguments = [str(self.manifest), str(self.state.folder), *self.volumes]
        program = HERE / "run_scripted.py"
        return subprocess.Popen(
            [sys.executable, "-P", str(program), *arguments],
            env={**os.environ, "SCRIPTED_SECONDS": str(seconds), "PYTHONPATH": str(HERE.parent)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def fault(self, name: str, times: int = 1) -> None:
        """Ask the evaluator for a fault."""
        (self.folder / "faults" / name).write_text(str(times))

    def hold(self) -> None:
        """Let no evaluation that begins from now on end: the search cannot, however slow the machine is."""
        self.fault("hang", 1000)

    def release(self) -> None:
        """Let the next evaluations end again."""
        (self.folder / "faults" / "hang").unlink()


def make(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Four checkpoints, two tasks, sixteen evaluations in two generations."""
    (folder / "faults").mkdir(parents=True)
    monkeypatch.setenv("SCRIPTED_FAULTS", str(folder / "faults"))
    names = checkpoints.write(folder / "checkpoints", 4)
    document = {
        "apiVersion": "mergesearch.io/v1alpha1",
        "kind": "MergeSearch",
        "metadata": {"name": "bench"},
        "spec": {
            "checkpoints": [{"name": name, "path": name} for name in names],
            "storage": {
                "checkpoints": {"persistentVolumeClaim": {"claimName": "c"}},
                "workspace": {"persistentVolumeClaim": {"claimName": "w"}},
            },
            "merge": {"dtype": "float32"},
            "objective": {"tasks": [{"name": "a", "metric": "acc"}, {"name": "bb", "metric": "acc"}]},
            "heldOut": {"tasks": [{"name": "held", "metric": "acc"}]},
            "search": {"maxEvaluations": 16, "parallelism": 2, "algorithm": {"cmaes": {"populationSize": 8}}},
            "merger": {"batch": 2},
            "evaluator": {"backend": "hf"},
        },
    }
    return Bench(folder, document)
