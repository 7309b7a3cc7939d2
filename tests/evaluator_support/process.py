"""The evaluator as a process: resident with many requests, or fresh with one."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mergesearch import contract, worker

PROGRAM = str(Path(sys.executable).with_name("mergesearch-evaluator"))
PATIENCE = 300.0
"""Seconds after which a process that should have ended counts as hung."""


@dataclass
class Answered:
    """All that a request was answered with."""

    reports: list[contract.Report] = field(default_factory=list)
    progress: list[str] = field(default_factory=list)
    exit: contract.Exit = field(default_factory=lambda: contract.Exit(code=-1))

    @property
    def evaluations(self) -> dict[str, contract.EvaluationReport]:
        """By candidate, in the order in which they came."""
        found = [report for report in self.reports if isinstance(report, contract.EvaluationReport)]
        assert len(found) == len(self.reports)
        return {report.candidate: report for report in found}

    @property
    def engine_starts(self) -> int:
        return sum(sentence.startswith("starting ") for sentence in self.progress)


class ResidentProcess:
    """`mergesearch-evaluator --serve` with its volumes."""

    def __init__(self, volumes: Mapping[str, Path], home: Path, command: Sequence[str] = (PROGRAM,)) -> None:
        self._log = (home / "log").open("ab")
        self._process = subprocess.Popen(
            [*command, "--serve", *_arguments(volumes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=_environment(home),
            text=True,
            encoding="utf-8",
        )
        self.log = home / "log"

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, request: contract.Model | str) -> Answered:
        self.send(request)
        return self.receive()

    def send(self, request: contract.Model | str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write((request if isinstance(request, str) else request.to_json()) + "\n")
        self._process.stdin.flush()

    def answer(self) -> contract.Answer:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the evaluator ended with {self._process.wait(PATIENCE)}:\n{self.log.read_text()[-4000:]}"
        return contract.Answer.model_validate_json(line)

    def receive(self) -> Answered:
        found = Answered()
        while True:
            answer = self.answer()
            if answer.progress is not None:
                found.progress.append(answer.progress)
            if answer.report is not None:
                found.reports.append(answer.report)
            if answer.exit is not None:
                found.exit = answer.exit
                return found

    def end(self) -> int:
        """Close its input and wait; returns the exit code."""
        self._process.communicate(timeout=PATIENCE)
        self._log.close()
        return self._process.returncode


def run_once(request: contract.Model, volumes: Mapping[str, Path], home: Path) -> tuple[int, list[contract.Report]]:
    """A fresh process for one request, as in a pod. Returns its exit code and its reports."""
    done = subprocess.run(
        [PROGRAM, *_arguments(volumes)],
        env=_environment(home) | {worker.REQUEST_VARIABLE: request.to_json()},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode in (0, 65), done.stderr[-4000:]
    return done.returncode, [contract.REPORT.validate_json(line) for line in done.stdout.splitlines()]


def _arguments(volumes: Mapping[str, Path]) -> Sequence[str]:
    return [part for name, folder in volumes.items() for part in ("--volume", f"{name}={folder}")]


def _environment(home: Path) -> dict[str, str]:
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(home / "huggingface")}
    return {**os.environ, "OMP_NUM_THREADS": "1", **offline}
