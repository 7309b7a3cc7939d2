"""vLLM scores on a cluster as well: its CPU build, in the evaluator's image."""

import pytest

from support.installation import Place, manifest

pytestmark = pytest.mark.cluster


def test_a_search_that_vllm_scores(place: Place) -> None:
    document = manifest("on-vllm", maxEvaluations=4, algorithm={"cmaes": {"populationSize": 2}}, baselines=["Uniform"])
    spec = document["spec"]
    spec["objective"]["tasks"] = spec["objective"]["tasks"][:1]
    del spec["heldOut"]
    evaluator = spec["evaluator"] | {"backend": "vllm", "engineArgs": {"max_model_len": "64", "enforce_eager": "true"}}
    del evaluator["batchSize"]
    spec["evaluator"] = evaluator
    place.apply(document)
    place.wait("on-vllm", "Complete", 1200)
    found = place.read("on-vllm").status
    assert found is not None
    assert found.counts.scored == 4
    assert found.candidates[-1].generation == 1
    assert "vllm" in found.preflight.versions
    assert found.confirmed is not None
