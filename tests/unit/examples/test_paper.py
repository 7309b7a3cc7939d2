"""The paper's experiments: its manifests say its settings, and what it reads off its Table 2 is what a search reads off
it.
"""

import itertools
import math
import re

import pytest

from mergesearch.api.resource import MergeSearch
from mergesearch.api.spec import Algorithm
from mergesearch.api.status import Phase, RecordKind
from mergesearch.lifecycle import baselines, provable
from mergesearch.report import analysis, summary
from mergesearch.report.correlation import Correlations
from unit.examples import paper
from unit.lifecycle.world import Bench

FILES = list(paper.examples())
OVER_ALL = [file for file in FILES if "/" not in file]
SCALE = [file for file in FILES if file.startswith("scale/")]

# --- The manifests ---


@pytest.mark.parametrize("file", FILES)
def test_the_settings_are_the_papers(file: str) -> None:
    search = paper.examples()[file].spec.search
    assert search.algorithm == Algorithm(preset="Paper")
    assert search.max_evaluations == 50
    assert set(search.baselines) == {"Checkpoints", "Uniform", "MergeBest"}


@pytest.mark.parametrize("file", OVER_ALL)
def test_the_checkpoints_are_all_of_the_table_by_stage_and_number(file: str) -> None:
    names = [source.name for source in paper.examples()[file].spec.checkpoints]
    assert names == [paper.name_of(row) for row in paper.rows()]
    assert (names[0], names[7], names[8], names[15]) == ("sft-01", "sft-08", "po-09", "po-16")


@pytest.mark.parametrize(
    ("file", "columns"),
    [
        ("mbpp-ifeval.yaml", ["mbpp", "ifeval"]),
        ("mbpp-musr.yaml", ["mbpp", "musr"]),
        ("mmlu-pro-ifeval.yaml", ["mmlu_pro", "ifeval"]),
        ("mbpp-ifeval-gsm8k.yaml", ["mbpp", "ifeval", "gsm8k"]),
    ],
)
def test_each_optimises_the_mean_of_its_tasks(file: str, columns: list[str]) -> None:
    objective = paper.examples()[file].spec.objective
    assert [paper.COLUMNS[task.name][0] for task in objective.tasks] == columns
    assert objective.aggregate == "Mean"


def shape(resource: MergeSearch) -> object:
    """All but what the searches of a scale may differ in."""
    return resource.model_copy(
        update={
            "metadata": resource.metadata.model_copy(update={"name": ""}),
            "spec": resource.spec.model_copy(update={"checkpoints": ()}),
        }
    )


def test_the_scale_goes_over_two_four_eight_and_sixteen_checkpoints_and_nothing_else_changes() -> None:
    resources = [paper.examples()[file] for file in SCALE]
    assert [len(resource.spec.checkpoints) for resource in resources] == [2, 4, 8, 16]
    assert all(shape(resource) == shape(resources[0]) for resource in resources)
    assert len({resource.metadata.name for resource in resources}) == 4
    assert shape(resources[-1]) == shape(paper.examples()["mbpp-ifeval.yaml"])


def test_the_smaller_searches_hold_the_best_half_of_each_stage() -> None:
    for resource in (paper.examples()[file] for file in SCALE):
        wanted = len(resource.spec.checkpoints) // 2
        best = set()
        for stage in ("sft", "po"):
            some = [row for row in paper.rows() if row["stage"] == stage]
            some.sort(key=lambda row: -(float(row["mbpp"]) + float(row["ifeval"])))
            best |= {paper.name_of(row) for row in some[:wanted]}
        assert {source.name for source in resource.spec.checkpoints} == best


def test_each_smaller_search_lies_in_the_next() -> None:
    sets = [{source.name for source in paper.examples()[file].spec.checkpoints} for file in SCALE]
    assert all(small < large for small, large in itertools.pairwise(sets))


def test_one_command_lists_all_searches_of_the_scale() -> None:
    """By their label, which the table of `mergesearch compare` is made from."""
    for file in SCALE:
        assert "labels: {experiment: paper-scale}" in (paper.EXAMPLES / file).read_text()


@pytest.mark.parametrize("file", OVER_ALL)
def test_what_each_can_prove_stands_in_the_readme(file: str) -> None:
    spec = paper.examples()[file].spec
    unseen = [share.unseen for share in provable.expected(spec) if share.unseen is not None]
    assert len(unseen) == len(spec.objective.tasks)
    presets = re.search(r"preset: (MBPP|MMLU)\S*?(?=\s|})", (paper.EXAMPLES / file).read_text())
    assert presets is not None
    gain = 100.0 * provable.smallest_gain(spec, unseen)
    assert f"| {presets.group().removeprefix('preset: ')} | {gain:.1f} |" in (paper.EXAMPLES / "README.md").read_text()


# --- Known answers ---

ANSWERS: dict[str, tuple[int, float, set[int], set[int]]] = {
    "mbpp-ifeval.yaml": (3, 64.8, {5, 12}, {3, 5, 12, 14}),
    "mbpp-musr.yaml": (5, 40.5, {5, 7}, {5, 6, 7, 11, 13, 15}),
    "mmlu-pro-ifeval.yaml": (12, 50.0, {4, 12}, {3, 4, 12, 14, 16}),
    "mbpp-ifeval-gsm8k.yaml": (12, 69.93, {5, 12}, {3, 5, 12, 14}),
}
"""The best single checkpoint and its mean, merge-best, and the Pareto set, which was read off the table by hand."""
RHO = {"mbpp-ifeval.yaml": -0.354, "mbpp-musr.yaml": -0.402, "mmlu-pro-ifeval.yaml": -0.025}


@pytest.fixture(params=ANSWERS)
def experiment(request: pytest.FixtureRequest) -> tuple[str, Bench]:
    file: str = request.param
    return file, paper.replay(file)


def test_the_replay_is_a_whole_search(experiment: tuple[str, Bench]) -> None:
    status = experiment[1].status
    assert status.phase is Phase.COMPLETE
    assert (len(status.candidates), status.counts.failed) == (50, 0)
    assert status.algorithm is not None
    assert status.algorithm.population_size == 4 + math.floor(3 * math.log(16)) == 12


def test_the_best_single_checkpoint_is_the_papers(experiment: tuple[str, Bench]) -> None:
    file, bench = experiment
    number, mean, _, _ = ANSWERS[file]
    best = baselines.best_checkpoint(bench.status)
    assert best is not None
    assert best.fitness is not None
    assert paper.number_of(bench.resource.spec.checkpoints[best.members[0]].name) == number
    assert round(100.0 * best.fitness, 2) == mean
    assert best.id in {record.id for record in bench.status.confirmations}


def test_merge_best_is_the_papers(experiment: tuple[str, Bench]) -> None:
    file, bench = experiment
    (merge_best,) = baselines.of_kind(bench.status, RecordKind.MERGE_BEST)
    names = [bench.resource.spec.checkpoints[place].name for place in merge_best.members]
    assert {paper.number_of(name) for name in names} == ANSWERS[file][2]


def test_the_pareto_set_is_that_of_the_table(experiment: tuple[str, Bench]) -> None:
    file, bench = experiment
    singles = baselines.of_kind(bench.status, RecordKind.CHECKPOINT)
    names = {record.id: bench.resource.spec.checkpoints[record.members[0]].name for record in singles}
    assert {paper.number_of(names[identity]) for identity in bench.status.pareto} == ANSWERS[file][3]


@pytest.mark.parametrize(("file", "rho"), RHO.items(), ids=RHO)
def test_the_report_finds_the_papers_correlations(file: str, rho: float) -> None:
    bench = paper.replay(file)
    found = analysis.analyse(summary.summarize(bench.resource.model_copy(update={"status": bench.status})))
    assert isinstance(found.correlations, Correlations)
    assert found.correlations.checkpoints == 16
    assert found.correlations.of(0, 1).rho == pytest.approx(rho, abs=5e-4)
