"""Ask, tell and replay: the same records give the same optimiser, bit by bit, whatever happened in between."""

import base64
import hashlib
import math
import struct
from collections.abc import Callable, Sequence
from typing import get_args

import cmaes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mergesearch.search import optimizer, parametrization
from mergesearch.search.optimizer import Evaluated, Generation, Strategy, StrategyName

NAMES: tuple[StrategyName, ...] = get_args(StrategyName)
LEARNING: tuple[StrategyName, ...] = ("Softmax", "Box", "Paper")


def strategy(name: StrategyName = "Softmax", dimension: int = 4, size: int = 6, seed: int = 1) -> Strategy:
    mean = (0.0,) * dimension if name == "Softmax" else (1 / dimension,) * dimension
    return Strategy(name=name, seed=seed, population_size=size, mean=mean, sigma=0.7 if name == "Softmax" else 1.0)


def peak(how: Strategy) -> Callable[[Sequence[float]], float]:
    """A smooth fitness with its best weights at 1 : 2 : ... : N."""
    ideal = np.arange(1, how.dimension + 1) / sum(range(1, how.dimension + 1))

    def fitness(x: Sequence[float]) -> float:
        return 1.0 - float(np.sum((np.array(parametrization.weights_of(x, how.map)) - ideal) ** 2))

    return fitness


def search(
    how: Strategy, generations: int, fitness: Callable[[Sequence[float]], float | None] | None = None
) -> list[Generation]:
    fitness = fitness or peak(how)
    told: list[Generation] = []
    for _ in range(generations):
        vectors = optimizer.ask(how, told, range(how.population_size))
        told.append(tuple(Evaluated(x, fitness(x)) for x in vectors))
    return told


# --- Replay ---


class Live:
    """A cmaes.CMA that is kept over the whole search, written from the rule that is documented, not from the code."""

    def __init__(self, how: Strategy) -> None:
        box = how.name != "Softmax"
        self.how = how
        self.cma = cmaes.CMA(
            mean=np.array(how.mean),
            sigma=how.sigma,
            bounds=np.array([[0.0, 1.0]] * how.dimension) if box else None,
            n_max_resampling=10 * how.dimension if box else 1,
            population_size=how.population_size,
            seed=self.seed("start"),
        )

    def seed(self, *parts: object) -> int:
        text = "/".join(str(part) for part in (self.how.seed, *parts))
        return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)

    def ask(self, generation: int, index: int) -> tuple[float, ...]:
        for redraw in range(100):
            self.cma.reseed_rng(self.seed(generation, index, redraw))
            x = self.cma.ask().astype(np.float32)
            if self.how.name == "Softmax" or x.max() > 0:
                return tuple(map(float, x))
        raise AssertionError("nothing positive")

    def tell(self, generation: Generation) -> None:
        worst = max(-m.fitness for m in generation if m.fitness is not None)
        self.cma.tell(
            [(np.array(m.x), math.nextafter(worst, math.inf) if m.fitness is None else -m.fitness) for m in generation]
        )


def bits(cma: cmaes.CMA) -> tuple[bytes, ...]:
    return (
        cma.mean.tobytes(),
        np.float64(cma._sigma).tobytes(),
        cma._C.tobytes(),
        cma._p_sigma.tobytes(),
        cma._pc.tobytes(),
    )


@pytest.mark.parametrize("name", LEARNING)
@settings(max_examples=15)
@given(
    dimension=st.integers(2, 16),
    size=st.integers(2, 12),
    seed=st.integers(0, 2**31 - 1),
    failures=st.sets(st.tuples(st.integers(0, 4), st.integers(1, 11))),
)
def test_a_replay_equals_the_live_run_bit_by_bit(
    name: StrategyName, dimension: int, size: int, seed: int, failures: set[tuple[int, int]]
) -> None:
    how = strategy(name, dimension, size, seed)
    with np.errstate(divide="ignore"):
        live = Live(how)
    told: list[Generation] = []
    for number in range(5):
        vectors = [live.ask(number, index) for index in range(size)]
        assert optimizer.ask(how, told, range(size)) == vectors
        fitness = peak(how)
        told.append(tuple(Evaluated(x, None if (number, i) in failures else fitness(x)) for i, x in enumerate(vectors)))
        live.tell(told[-1])
        assert bits(optimizer._replay(how, told)) == bits(live.cma)


@pytest.mark.parametrize("name", NAMES)
@given(order=st.permutations(range(6)))
def test_members_do_not_depend_on_the_order_in_which_they_are_asked_for(name: StrategyName, order: list[int]) -> None:
    how = strategy(name)
    told = search(how, 2)
    in_order = optimizer.ask(how, told, range(6))
    assert optimizer.ask(how, told, order) == [in_order[index] for index in order]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("begun", range(1, 6))
def test_a_generation_that_was_cut_is_completed_with_the_members_it_would_have_had(
    name: StrategyName, begun: int
) -> None:
    how = strategy(name)
    told = search(how, 1)
    whole = optimizer.ask(how, told, range(6))
    assert optimizer.ask(how, told, range(begun)) + optimizer.ask(how, told, range(begun, 6)) == whole


@pytest.mark.parametrize("name", NAMES)
def test_asking_changes_nothing_of_what_was_told(name: StrategyName) -> None:
    """`tell` sorts the list that it is given."""
    how = strategy(name)
    told = search(how, 3)
    before = list(told)
    first = optimizer.ask(how, told, range(6))
    assert told == before
    assert optimizer.ask(how, told, range(6)) == first


@pytest.mark.parametrize("name", NAMES)
def test_proposed_vectors_are_float32_numbers_with_weights(name: StrategyName) -> None:
    how = strategy(name, dimension=16)
    for generation in search(how, 3):
        for member in generation:
            assert struct.unpack("<16f", struct.pack("<16f", *member.x)) == member.x
            assert math.fsum(parametrization.weights_of(member.x, how.map)) == pytest.approx(1.0)


@pytest.mark.parametrize("name", NAMES)
def test_members_generations_and_seeds_all_differ(name: StrategyName) -> None:
    vectors = [m.x for seed in (1, 2) for generation in search(strategy(name, seed=seed), 2) for m in generation]
    assert len(set(vectors)) == len(vectors) == 24


@pytest.mark.parametrize("size", [2, 3])
def test_the_smallest_generations_can_be_told(size: int) -> None:
    told = search(strategy(size=size), 6)
    assert all(np.all(np.isfinite(member.x)) for generation in told for member in generation)


# --- What is learnt ---


@pytest.mark.parametrize("name", LEARNING)
def test_the_search_gets_better(name: StrategyName) -> None:
    how = strategy(name, dimension=4, size=12)
    told = search(how, 12)
    means = [sum(m.fitness or 0.0 for m in generation) / len(generation) for generation in told]
    assert means[-1] > means[0]
    assert 1.0 - max(m.fitness or 0.0 for m in told[-1]) < 0.01


def test_random_search_learns_nothing() -> None:
    how = strategy("Random")
    told = search(how, 3)
    otherwise = [tuple(Evaluated(member.x, 0.5) for member in generation) for generation in told]
    assert optimizer.ask(how, told, range(6)) == optimizer.ask(how, otherwise, range(6))


def test_random_vectors_are_spread_evenly_over_the_simplex() -> None:
    """Each weight of Dirichlet(1) has mean 1/N and variance (N - 1) / (N² (N + 1))."""
    how = strategy("Random", dimension=4, size=2000)
    drawn = np.array(optimizer.ask(how, [], range(2000)))
    assert drawn.sum(axis=1) == pytest.approx(1.0, abs=1e-6)
    assert drawn.mean(axis=0) == pytest.approx(0.25, abs=0.02)
    assert drawn.var(axis=0) == pytest.approx(3 / 80, rel=0.15)


@pytest.mark.parametrize("name", LEARNING)
def test_a_failed_member_is_told_as_the_worst(name: StrategyName) -> None:
    how = strategy(name)
    first = search(how, 1)[0]
    worst = min(member.fitness or 0.0 for member in first[1:])
    failed = (Evaluated(first[0].x, None), *first[1:])
    as_worst = (Evaluated(first[0].x, worst - 1e-9), *first[1:])
    assert optimizer.ask(how, [failed], range(6)) == optimizer.ask(how, [as_worst], range(6))


def test_losses_are_negative_fitnesses_and_failures_come_just_after_the_worst() -> None:
    generation = (Evaluated((0.0,), 0.25), Evaluated((0.0,), None), Evaluated((0.0,), 0.75))
    assert optimizer.losses(generation) == [-0.25, math.nextafter(-0.25, math.inf), -0.75]


def test_a_generation_in_which_all_failed_is_refused() -> None:
    with pytest.raises(ValueError, match="every member has failed"):
        optimizer.losses((Evaluated((0.0,), None), Evaluated((1.0,), None)))


@pytest.mark.parametrize("fitness", [math.nan, math.inf, -math.inf])
def test_a_fitness_that_is_no_number_is_never_told(fitness: float) -> None:
    how = strategy(size=2)
    first = search(how, 1)[0]
    with pytest.raises(ValueError, match="not finite"):
        optimizer.ask(how, [(first[0], Evaluated(first[1].x, fitness))], range(2))


def test_a_generation_that_is_not_whole_is_never_told() -> None:
    how = strategy(size=6)
    first = search(how, 1)[0]
    with pytest.raises(ValueError, match="generation 0 has 5 members, not 6"):
        optimizer.ask(how, [first[:5]], range(6))


# --- The paper's box ---


def zero_at_first(how: Strategy, index: int) -> bool:
    live = Live(how)
    live.cma.reseed_rng(live.seed(0, index, 0))
    return bool(live.cma.ask().max() <= 0)


def test_a_box_vector_without_a_positive_entry_is_drawn_again() -> None:
    seed, index = next(
        (seed, index)
        for seed in range(500)
        for index in range(6)
        if zero_at_first(strategy("Paper", 2, 6, seed), index)
    )
    how = strategy("Paper", 2, 6, seed)
    live = Live(how)
    live.cma.reseed_rng(live.seed(0, index, 1))
    assert optimizer.ask(how, [], [index]) == [tuple(map(float, live.cma.ask().astype(np.float32)))]


def test_a_box_that_gives_nothing_positive_is_given_up() -> None:
    """So close to the corner that float32 has no number for it."""
    how = Strategy(name="Box", seed=1, population_size=4, mean=(1e-60, 1e-60), sigma=1e-62)
    with pytest.raises(ValueError, match="100 draws in a row had no positive entry: generation 0, member 3"):
        optimizer.ask(how, [], [3])


def test_the_paper_clips_almost_half_of_the_first_weights_to_zero() -> None:
    how = strategy("Paper", dimension=16, size=500)
    drawn = np.array(optimizer.ask(how, [], range(500)))
    assert np.mean(drawn == 0.0) == pytest.approx(0.46, abs=0.03)


POPULATIONS = {2: 6, 4: 8, 8: 10, 16: 12, 64: 16}


@pytest.mark.parametrize(("dimension", "size"), POPULATIONS.items())
def test_the_default_population_is_that_of_the_tutorial(dimension: int, size: int) -> None:
    assert optimizer.default_population(dimension) == size


# --- Drift ---


def moved(generation: Generation, by: float) -> Generation:
    x = generation[0].x
    return (Evaluated((x[0] + by, *x[1:]), generation[0].fitness), *generation[1:])


def test_nothing_has_drifted_before_anything_was_told() -> None:
    assert not optimizer.drifted(strategy(), [])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("by", "drifted"), [(0.0, False), (1e-9, False), (1e-4, True)])
def test_other_vectors_than_those_recorded_are_noticed(name: StrategyName, by: float, drifted: bool) -> None:
    how = strategy(name)
    told = search(how, 2)
    assert optimizer.drifted(how, [told[0], moved(told[1], by)]) is drifted


def test_the_versions_of_what_the_numbers_depend_on_are_known() -> None:
    assert sorted(optimizer.versions()) == ["cmaes", "numpy"]


# --- Golden vectors ---

GOLDEN = {
    "Softmax": "+HXpv1rbZ79pLy+/6mo3Pg==",
    "Box": "mV+APiH1az/jvW0/mBdTPw==",
    "Paper": "mV+APiH1az/jvW0/mBdTPw==",
    "Random": "58nLPi4oqj3JpoU+RQWEPg==",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_search_proposes_what_it_proposed_in_earlier_releases(name: StrategyName) -> None:
    """The second member of the third generation. Other builds of BLAS may move it in the last bits."""
    how = strategy(name)
    found = optimizer.ask(how, search(how, 2), [1])[0]
    assert found == pytest.approx(struct.unpack("<4f", base64.b64decode(GOLDEN[name])), rel=1e-6, abs=1e-6)
