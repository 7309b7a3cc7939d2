"""The recipe's digests: what makes a finished checkpoint stay, and what makes it be trained again."""

import dataclasses

import pytest

from family import recipe

DEFAULT = recipe.default()
SORT = next(run for run in DEFAULT.tunes if run.name == "sort")


def test_names_are_unique_and_none_is_the_bases() -> None:
    names = [DEFAULT.base.name, *(run.name for run in DEFAULT.tunes)]
    assert len(set(names)) == len(names) == 9


@pytest.mark.parametrize("run", [DEFAULT.base, *DEFAULT.tunes], ids=lambda run: run.name)
def test_a_mixture_weighs_every_task(run: recipe.Run) -> None:
    assert len(run.mixture) == len(recipe.TASKS)
    assert all(weight > 0 for weight in run.mixture)


@pytest.mark.parametrize(
    ("family", "run", "seed"),
    [
        pytest.param(DEFAULT, SORT, 1, id="another seed"),
        pytest.param(DEFAULT, dataclasses.replace(SORT, steps=SORT.steps + 1), 0, id="another length"),
        pytest.param(DEFAULT, dataclasses.replace(SORT, name="sort-2"), 0, id="another name"),
        pytest.param(
            dataclasses.replace(DEFAULT, base=dataclasses.replace(DEFAULT.base, learning_rate=1e-3)),
            SORT, 0, id="another base",
        ),
        pytest.param(
            dataclasses.replace(DEFAULT, shape=recipe.Shape(layers=3)), SORT, 0, id="another shape"
        ),
    ],
)  # fmt: skip
def test_whatever_determines_a_checkpoint_changes_its_digest(family: recipe.Recipe, run: recipe.Run, seed: int) -> None:
    assert recipe.digest(family, run, seed) != recipe.digest(DEFAULT, SORT, 0)


def test_a_change_of_one_fine_tune_leaves_the_others_alone() -> None:
    changed = dataclasses.replace(DEFAULT, tunes=(*DEFAULT.tunes[:-1], dataclasses.replace(DEFAULT.tunes[-1], steps=1)))
    assert recipe.digest(changed, SORT, 0) == recipe.digest(DEFAULT, SORT, 0)


def test_a_scaled_family_is_another_one_and_every_run_takes_a_step() -> None:
    tiny = DEFAULT.scaled(1e-6)
    assert {run.steps for run in (tiny.base, *tiny.tunes)} == {1}
    assert recipe.digest(tiny, tiny.base, 0) != recipe.digest(DEFAULT, DEFAULT.base, 0)


def test_every_use_of_chance_has_its_own_seed() -> None:
    seeds = [recipe.derived_seed(seed, name) for seed in (0, 1) for name in ("base", "sort", "weights")]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)
