"""Starts the tools and the floor on the same inputs, in a known state of the page cache, and returns what they took."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import merge_tools
from merge import cache, launch, records
from merge.records import Run
from merge_tools import Command

from mergesearch import contract
from mergesearch_merger import settings

HERE = Path(__file__).parent
SMALL = (sys.executable, "-I", "-S")
FIRST_BYTES = 16 * 2**20
"""More than headers, and what the kernel reads ahead behind them, and less than any pass over weights."""
MOST_TRIES = 2
LOOK_SECONDS = 0.002


@dataclass(frozen=True)
class Bench:
    """Where outputs go, and how the tools are called."""

    work: Path
    mergekit: Path
    merger_options: tuple[str, ...] = ()
    mergekit_options: tuple[str, ...] = ()
    patience: float = 0.0
    """Seconds to wait for a quiet machine before each run."""

    @property
    def _out(self) -> Path:
        return self.work / "out"

    def run(self, tool: str, folders: Sequence[Path], state: str, number: int, candidates: int) -> Run:
        """One process, from its start to its end; again, if others kept the machine busy, and then the least disturbed.

        Raises RuntimeError if it fails or leaves no whole output.
        """
        found: list[Run] = []
        while len(found) < MOST_TRIES and not (found and found[-1].others_share <= records.DISTURBED_SHARE):
            found.append(self._run(tool, folders, state, number, candidates))
        return min(found, key=lambda run: run.others_share)

    def _run(self, tool: str, folders: Sequence[Path], state: str, number: int, candidates: int) -> Run:
        command = self._command_in(tool, folders, state, candidates)
        size = sum(path.stat().st_size for path in _weights([folders[0]]))
        share = cache.resident(_weights(folders)) / (size * len(folders))
        self._wait_for_quiet()
        result, log = self.work / "result.json", self.work / "log"
        launcher = [*SMALL, str(HERE / "launch.py"), str(result), str(log)]
        subprocess.run([*launcher, *command.words], env=command.environment, check=True)
        found = json.loads(result.read_text())
        if found.pop("exit"):
            raise RuntimeError(f"{tool}, {len(folders)} inputs:\n{log.read_text(errors='replace')[-4000:]}")
        self._require_outputs(tool, 0.9 * size, candidates)
        self.clear()
        return Run(
            tool=tool,
            cache=state,
            round=number,
            inputs=len(folders),
            candidates=candidates,
            model_bytes=size,
            cached_share=min(share, 1.0),
            **found,
        )

    def seconds_to_weights(self, tool: str, folders: Sequence[Path]) -> float:
        """From the start of the process until the cache holds some of its weights, of which it held none."""
        command = self._command_in(tool, folders, records.COLD, 1)
        began = time.monotonic()
        process = subprocess.Popen(
            command.words, env=command.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            while cache.resident(_weights(folders)) < FIRST_BYTES:
                if process.poll() is not None:
                    raise RuntimeError(f"{tool} ended before it had read {FIRST_BYTES} bytes: inputs are too small")
                time.sleep(LOOK_SECONDS)
            return time.monotonic() - began
        finally:
            process.wait()
            self.clear()

    def clear(self) -> None:
        """Remove outputs, and let the disk come to rest."""
        shutil.rmtree(self._out, ignore_errors=True)
        os.sync()

    def prepare(self) -> None:
        """An empty place for outputs."""
        self.clear()
        self._out.mkdir()

    def outputs(self, tool: str, candidates: int) -> list[Path]:
        """The folders that a run of `tool` leaves."""
        if tool in (records.OURS, records.OURS_BATCH):
            return [merge_tools.merged(self._out, number) for number in range(candidates)]
        return [self._out / "merged"]

    def command(
        self, tool: str, folders: Sequence[Path], candidates: int = 1, dtype: contract.Dtype = "bfloat16"
    ) -> Command:
        """What starts a tool; candidate 0 has the same weights everywhere."""
        weights = [merge_tools.weights(len(folders), seed) for seed in range(candidates)]
        if tool in (records.FLOOR, records.FLOOR_BATCH):
            sync = () if settings.SYNC_TRANSIENT else ("--no-sync",)
            paths = [str(self._out / "merged"), *map(str, folders)]
            return Command((*SMALL, str(HERE / "floor.py"), f"--copies={candidates}", *sync, *paths), os.environ)
        if tool in records.PEERS:
            sums = "float32" if tool == records.MERGEKIT_EXACT else "bfloat16"
            out = self._out / "merged"
            return merge_tools.mergekit(
                self.mergekit, folders, weights[0], out, sums, dtype, options=self.mergekit_options
            )
        return merge_tools.merger(folders, weights, self._out, dtype, self.merger_options)

    def _command_in(self, tool: str, folders: Sequence[Path], state: str, candidates: int) -> Command:
        self.prepare()
        (cache.warm if state == records.WARM else cache.drop)(_weights(folders))
        return self.command(tool, folders, candidates)

    def _wait_for_quiet(self) -> None:
        """Until others have left the processors alone for a second, or patience ends."""
        until = time.monotonic() + self.patience
        while time.monotonic() < until:
            busy, began = launch.busy_seconds(), time.monotonic()
            time.sleep(1.0)
            share = (launch.busy_seconds() - busy) / (time.monotonic() - began) / len(os.sched_getaffinity(0))
            if share <= records.DISTURBED_SHARE:
                return

    def _require_outputs(self, tool: str, least: float, candidates: int) -> None:
        for folder in self.outputs(tool, candidates):
            found = sum(path.stat().st_size for path in folder.glob("*") if path.is_file())
            if found < least:
                raise RuntimeError(f"{tool} left {found} bytes in {folder}")


def _weights(folders: Sequence[Path]) -> list[Path]:
    return [path for folder in folders for path in sorted(folder.glob("*.safetensors"))]
