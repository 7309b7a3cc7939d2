"""Compares what this benchmark scores with what the product scored: every candidate of a search that `mergesearch run`
has finished on a family, merged by its merger and scored by its evaluator.

    python benchmarks/search/verify.py FAMILY STATE/search.json
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from search import families, scoring

from mergesearch.api.resource import MergeSearch
from mergesearch.lifecycle import strategy

MOST_APART = 2
"""Samples of a task whose answers hang on the order in which bf16 numbers are summed."""


def main() -> None:
    """Print how far the scores differ, in samples; 1 if one differs by more than rounding explains."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("family", type=Path)
    parser.add_argument("search", type=Path)
    options = parser.parse_args()
    resource = MergeSearch.model_validate_json(options.search.read_bytes())
    assert resource.status is not None
    family = families.load(options.family, [checkpoint.path for checkpoint in resource.spec.checkpoints])
    scorer = scoring.Scorer(family)
    split = scoring.split(scoring.read_tasks(), resource.spec.search.seed)
    world = scoring.FamilyWorld(family, scorer, scoring.Cache(Path(":memory:")), split)
    apart = []
    for record in (*resource.status.baselines, *resource.status.candidates):
        ours = world.search(strategy.weights(resource.spec, record))
        apart += [round(scoring.SEARCH_SAMPLES * (a - b)) for a, b in zip(ours, record.scores, strict=True)]
    same, most = sum(difference == 0 for difference in apart), max(map(abs, apart))
    mean = 100 * sum(apart) / len(apart) / scoring.SEARCH_SAMPLES
    print(f"{len(apart)} scores of {scoring.SEARCH_SAMPLES} samples: {same} equal, at most {most} samples apart")
    print(f"mean difference {mean:+.3f} points")
    sys.exit(most > MOST_APART)


if __name__ == "__main__":
    main()
