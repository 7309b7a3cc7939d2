"""What is exported is the merge: mergekit itself, given the exported configuration, writes the tensors that the merger
has written.
"""

import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from rich.console import Console

from evaluator_support import models
from integration.export.conftest import Mergekit
from mergesearch import contract, files, worker
from mergesearch.api.resource import MergeSearch
from mergesearch.export import recipe
from mergesearch.lifecycle import records, requests, strategy
from mergesearch_cli import exporting
from unit.merger import torch_checkpoints
from unit.merger.torch_checkpoints import TORCH, Tensors
from unit.report import histories

pytestmark = pytest.mark.slow

CHECKPOINTS = 5
NAMES = [f"m-{number}" for number in range(CHECKPOINTS)]
FOLDER = "run 2@main+'x' \"y\": #1"
"""Signs that YAML, a shell or mergekit reads as something else."""
STORED = ("BF16", "F32", "BF16", "BF16", "F32")
ROUNDED = "mergekit-rounded"
PADDED_ROWS = 16
"""Of the embedding, which is longer than the vocabulary, as in most models."""
SHARE = {"bfloat16": 0.001, "float16": 0.001, "float32": 0.005}
"""Of the elements that may differ, by one step of the output: those whose sum lies on a tie or as good as. Equal
weights have many, on inputs with hardly more digits than the output.
"""
PRECISION = {"bfloat16": 2.0**-24, "float16": 2.0**-24, "float32": 2.0**-53}
"""Of the sums: the unit roundoff of what is summed in."""


def write(folder: Path, seed: int) -> None:
    """A small Llama whose embedding is padded."""
    models.write_model(folder, seed, dtype=STORED[seed])
    found = models.tensors(seed)
    name = "model.embed_tokens.weight"
    found[name] = found[name].repeat(PADDED_ROWS // len(models.TOKENS), axis=0)
    models.write_weights(folder, found, STORED[seed])
    models.write_json(folder / "config.json", models.config() | {"vocab_size": PADDED_ROWS})
    settings = folder / "tokenizer_config.json"
    models.write_json(settings, json.loads(settings.read_text()) | {"chat_template": f"template of m-{seed}"})


@dataclass(frozen=True)
class Merges:
    """A search with its merges, those of the merger beside those of mergekit, by candidate and data type."""

    folder: Path
    resource: MergeSearch
    candidates: tuple[str, ...]

    def weights(self, candidate: str) -> tuple[float, ...]:
        assert self.resource.status is not None
        record = records.find(self.resource.status, "search", candidate)
        assert record is not None
        return strategy.weights(self.resource.spec, record)

    def ours(self, dtype: str, candidate: str) -> Path:
        return self.folder / dtype / "workspace" / files.merge_folder(self.resource.metadata.uid, candidate)

    def theirs(self, dtype: str, candidate: str) -> Path:
        return self.folder / dtype / f"mergekit-{candidate}"


def search() -> MergeSearch:
    """In the paper's box many weights are exactly 0; the tokenizer is that of the third checkpoint."""
    plain = histories.manifest(CHECKPOINTS, algorithm={"preset": "Paper"})
    sources = tuple(source.model_copy(update={"path": f"{FOLDER}/{source.path}"}) for source in plain.spec.checkpoints)
    merge = plain.spec.merge.model_copy(update={"tokenizer_from": "m-2"})
    spec = plain.spec.model_copy(update={"checkpoints": sources, "merge": merge})
    history = histories.run(plain.model_copy(update={"spec": spec}))
    return histories.with_status(history.resource, history.end)


def chosen(resource: MergeSearch) -> tuple[str, ...]:
    """The winner, uniform, and candidates in which the first checkpoint or that with the tokenizer has no share."""
    assert resource.status is not None
    assert resource.status.confirmed is not None
    found = [resource.status.confirmed.id, "uniform"]
    for place in (0, 2):
        without = (r.id for r in resource.status.candidates if strategy.weights(resource.spec, r)[place] == 0.0)
        found.append(next(identity for identity in without if identity not in found))
    return tuple(found)


@pytest.fixture(scope="module")
def merges(mergekit: Mergekit, tmp_path_factory: pytest.TempPathFactory) -> Merges:
    folder = tmp_path_factory.mktemp("merges")
    for seed, name in enumerate(NAMES):
        write(folder / "checkpoints" / FOLDER / name, seed)
    resource = search()
    made = Merges(folder, resource, chosen(resource))
    asked = []
    for dtype in TORCH:
        merge(made, dtype)
        asked += [(export(made, dtype, one), made.theirs(dtype, one)) for one in made.candidates]
    mergekit([*asked, (rounded(made), folder / ROUNDED)])
    return made


def with_dtype(resource: MergeSearch, dtype: str) -> MergeSearch:
    merge = resource.spec.merge.model_copy(update={"dtype": dtype})
    return resource.model_copy(update={"spec": resource.spec.model_copy(update={"merge": merge})})


def merge(made: Merges, dtype: str) -> None:
    """By the merger, as a search asks for it."""
    request = contract.MergeRequest(
        version=1,
        search=made.resource.ref,
        checkpoints=tuple(
            contract.Checkpoint(name=source.name, location=contract.VolumePath(volume="checkpoints", path=source.path))
            for source in made.resource.spec.checkpoints
        ),
        candidates=tuple(contract.MergeCandidate(id=one, weights=made.weights(one)) for one in made.candidates),
        dtype=with_dtype(made.resource, dtype).spec.merge.dtype,
        tokenizer_from=requests.tokenizer_from(made.resource.spec),
    )
    workspace = made.folder / dtype / "workspace"
    workspace.mkdir(parents=True)
    volumes = {"checkpoints": made.folder / "checkpoints", "workspace": workspace}
    program = [sys.executable, "-m", "mergesearch_merger.main"]
    done = subprocess.run(
        [*program, *(f"--volume={name}={path}" for name, path in volumes.items())],
        env={**os.environ, worker.REQUEST_VARIABLE: request.to_json()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def export(made: Merges, dtype: str, candidate: str) -> Path:
    """By the command, from what kubectl prints; returns the configuration."""
    status = made.folder / dtype / "status.yaml"
    status.write_text(yaml.safe_dump(with_dtype(made.resource, dtype).to_document()))
    out, volume = made.folder / dtype / f"export-{candidate}", f"checkpoints={made.folder / 'checkpoints'}"
    exporting.export(status, out, candidate, [volume], [], Console(file=io.StringIO()), with_weights=False)
    return out / recipe.FILE


def rounded(made: Merges) -> Path:
    """The configuration of the winner, with weights of three digits."""
    exported = made.folder / "bfloat16" / f"export-{made.candidates[0]}" / recipe.FILE
    document: dict[str, Any] = yaml.safe_load(exported.read_text())
    for model in document["models"]:
        model["parameters"]["weight"] = round(model["parameters"]["weight"], 3)
    changed = made.folder / "rounded.yml"
    changed.write_text(yaml.safe_dump(document))
    return changed


def load(folder: Path) -> Tensors:
    found = torch_checkpoints.load(folder)
    assert len(found) > 10
    return found


def flat(tensors: Tensors) -> torch.Tensor:
    """All elements of a model."""
    return torch.cat([tensors[name].reshape(-1) for name in sorted(tensors)])


def differing(one: Tensors, other: Tensors) -> torch.Tensor:
    """Places of the elements that differ between two models, of the same names, shapes and data type."""
    assert {name: (t.shape, t.dtype) for name, t in one.items()} == {n: (t.shape, t.dtype) for n, t in other.items()}
    found = torch_checkpoints.ulps(flat(one), flat(other))
    assert int(found.max()) <= 1
    return found.nonzero().reshape(-1)


def test_the_inputs_are_not_as_good_as_equal(merges: Merges) -> None:
    inputs = [flat(load(merges.folder / "checkpoints" / FOLDER / name)).float() for name in NAMES]
    for number, one in enumerate(inputs):
        for other in inputs[:number]:
            assert int((one != other).sum()) > 0.99 * (one.numel() - 320), "all but the norms"


@pytest.mark.parametrize("dtype", TORCH)
def test_mergekit_writes_the_same_tensors_but_for_elements_on_a_tie(merges: Merges, dtype: str) -> None:
    inputs = [flat(load(merges.folder / "checkpoints" / FOLDER / name)) for name in NAMES]
    for candidate in merges.candidates:
        ours, theirs = load(merges.ours(dtype, candidate)), load(merges.theirs(dtype, candidate))
        assert {tensor.dtype for tensor in theirs.values()} == {TORCH[dtype]}
        places = differing(ours, theirs)
        assert len(places) <= SHARE[dtype] * flat(ours).numel()
        for place in places.tolist():
            # A sum is off by n + 1 roundings at most, here and there: so far the exact one may lie from the tie.
            parts = [
                Fraction(w) * Fraction(x[place].item()) for w, x in zip(merges.weights(candidate), inputs, strict=True)
            ]
            tie = (Fraction(flat(ours)[place].item()) + Fraction(flat(theirs)[place].item())) / 2
            bound = (len(parts) + 2) * PRECISION[dtype] * float(sum(map(abs, parts)))
            assert abs(float(sum(parts) - tie)) <= bound


def test_the_cases_differ_in_what_has_no_share(merges: Merges) -> None:
    zeros = [tuple(weight == 0.0 for weight in merges.weights(one)) for one in merges.candidates]
    assert any(zero[0] for zero in zeros)
    assert any(zero[2] for zero in zeros)
    assert not any(zeros[merges.candidates.index("uniform")])


def test_weights_that_were_rounded_for_people_would_give_other_tensors(merges: Merges) -> None:
    """Or this comparison would not see the difference."""
    ours, theirs = flat(load(merges.ours("bfloat16", merges.candidates[0]))), flat(load(merges.folder / ROUNDED))
    assert int((ours != theirs).sum()) > 10 * SHARE["bfloat16"] * ours.numel()


def small(folder: Path) -> Mapping[str, Any]:
    """What a model is beside its tensors."""
    config = json.loads((folder / "config.json").read_text())
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    return {"rows": config["vocab_size"], "template": settings["chat_template"], "vocabulary": tokenizer["model"]}


def test_config_tokenizer_and_chat_template_are_those_of_the_merge(merges: Merges) -> None:
    for candidate in merges.candidates:
        ours, theirs = small(merges.ours("bfloat16", candidate)), small(merges.theirs("bfloat16", candidate))
        assert ours == theirs
        assert (theirs["rows"], theirs["template"]) == (PADDED_ROWS, "template of m-2")
