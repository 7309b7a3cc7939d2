"""The two tools that the benchmarks of merging compare, each as the command that people start: MergeSearch's merger,
and mergekit in an environment of its own.

$MERGEKIT_PYTHON names the interpreter of an environment that holds mergekit; where it is not set, uv makes one.
"""

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mergesearch import contract, files, worker

ROOT = Path(__file__).resolve().parents[1]
MERGEKIT = "mergekit==0.1.5"
MERGEKIT_PYTHON = "MERGEKIT_PYTHON"
MERGEKIT_OPTIONS = ("--quiet", "--no-copy-tokenizer", "--no-write-model-card", "--lazy-unpickle")
"""Whatever is not the merge itself is left out."""
SEARCH = contract.SearchRef(name="benchmark", uid="benchmark")


@dataclass(frozen=True)
class Command:
    """What starts a process."""

    words: tuple[str, ...]
    environment: Mapping[str, str]


def run(command: Command) -> None:
    """Run to the end. Raises RuntimeError with what the process said."""
    done = subprocess.run(command.words, env=command.environment, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command.words)} ended with {done.returncode}:\n{done.stderr[-2000:]}")


def weights(count: int, seed: int) -> tuple[float, ...]:
    """A point of the simplex, drawn once and for all."""
    drawn = [random.Random(seed * 1000 + number).expovariate(1.0) for number in range(count)]
    return tuple(value / sum(drawn) for value in drawn)


# --- MergeSearch ---


def merger(
    folders: Sequence[Path],
    candidates: Sequence[Sequence[float]],
    workspace: Path,
    dtype: contract.Dtype = "bfloat16",
    options: Sequence[str] = (),
) -> Command:
    """One pass for all candidates, through the entry point that searches use; `merged` says where they will lie."""
    (volume,) = {folder.parent for folder in folders}
    request = contract.MergeRequest(
        version=1,
        search=SEARCH,
        checkpoints=tuple(
            contract.Checkpoint(name=folder.name, location=contract.VolumePath(volume="inputs", path=folder.name))
            for folder in folders
        ),
        candidates=tuple(
            contract.MergeCandidate(id=f"c{number}", weights=tuple(weights))
            for number, weights in enumerate(candidates)
        ),
        dtype=dtype,
        tokenizer_from=folders[0].name,
    )
    volumes = (f"--volume=inputs={volume}", f"--volume={files.WORKSPACE_VOLUME}={workspace}")
    return Command(
        words=(sys.executable, "-m", "mergesearch_merger.main", *volumes, *options),
        environment={**os.environ, worker.REQUEST_VARIABLE: request.to_json()},
    )


def merged(workspace: Path, number: int = 0) -> Path:
    """The folder of a candidate that `merger` has merged."""
    return workspace / files.merge_folder(SEARCH.uid, f"c{number}")


# --- mergekit ---


def mergekit(
    python: Path,
    folders: Sequence[Path],
    weights: Sequence[float],
    out: Path,
    dtype: str,
    out_dtype: str = "bfloat16",
    options: Sequence[str] = (),
) -> Command:
    """One merge that sums in `dtype`; its recipe is written beside `out`."""
    models = "".join(
        f"  - model: {folder}\n    parameters: {{weight: {weight!r}}}\n"
        for folder, weight in zip(folders, weights, strict=True)
    )
    recipe = out.with_name("linear.yml")
    head = f"merge_method: linear\nparameters: {{normalize: false}}\ndtype: {dtype}\nout_dtype: {out_dtype}\n"
    recipe.write_text(f"{head}models:\n{models}")
    return Command(
        words=(str(python.with_name("mergekit-yaml")), str(recipe), str(out), *MERGEKIT_OPTIONS, *options),
        environment={**os.environ, "HF_HUB_OFFLINE": "1"},
    )


def mergekit_python(work: Path) -> Path:
    """The interpreter of an environment that holds mergekit, which is made below `work` if there is none."""
    given = os.environ.get(MERGEKIT_PYTHON)
    if given:
        return Path(given)
    environment = work / "mergekit"
    python = environment / "bin" / "python"
    if python.with_name("mergekit-yaml").exists():
        return python
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(environment)], check=True)
    pins = ROOT / "constraints" / "dev.txt"
    install = [uv, "pip", "install", "--quiet", "--python", str(python), MERGEKIT, "-c", str(pins)]
    subprocess.run(install, check=True)
    return python
