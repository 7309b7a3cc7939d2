"""The facts of a report that are no table: pairs of a name and a few words, section by section; pure."""

from collections.abc import Iterator

from mergesearch.lifecycle import phrases
from mergesearch.report import significance, wording
from mergesearch.report.background import OptimizerFacts, Pair, Rebuild
from mergesearch.report.shapes import Scale, Summary

ALGORITHMS = {
    "Softmax": "CMA-ES; weights are the softmax of the vector",
    "Box": "CMA-ES; the vector is clipped to [0, 1] and divided by its sum",
    "Paper": "CMA-ES as in Khalifa et al.: a box, mean 1/N, step size 1, no warm start",
    "Random": "random weights from Dirichlet(1), which learn nothing",
}


def proof(summary: Summary) -> tuple[Pair, ...]:
    """What stands behind the claim of a gain."""
    return tuple(_proof(summary))


def _proof(summary: Summary) -> Iterator[Pair]:
    if summary.finalists:
        chosen = f", corrected for the choice among {summary.finalists} finalists," if summary.finalists > 1 else ""
        small = f"the one-sided p{chosen} is below {significance.LEVEL:g}"
        rule = (
            f"against every baseline the 95% interval lies above 0 and {small} (paired bootstrap over unseen samples)"
        )
        yield Pair("A gain is claimed if", rule)
    if summary.smallest_gain is not None:
        size = wording.with_unit(wording.score(summary.smallest_gain, summary.scale), summary.scale)
        yield Pair("Smallest gain to expect proof of", f"about {size}, proven four times in five if it is there")
    if summary.noise is not None:
        yield Pair("Noise floor", _noise(summary.noise, summary.scale))
    if summary.closed:
        yield Pair("The search ended because", summary.closed)


def _noise(noise: float, scale: Scale) -> str:
    """The noise floor for a reader who has never heard of one."""
    again = "the first checkpoint was scored twice on the same samples, and both scores are"
    size = wording.score(noise, scale)
    if size == wording.score(0.0, scale):
        return f"none seen: {again} equal, so scoring a model again changes nothing here"
    return (
        f"{wording.with_unit(size, scale)}: {again} so far apart, though nothing had changed. A difference of about "
        "this size between two models can come from scoring alone"
    )


def learning(summary: Summary) -> tuple[Pair, ...]:
    """The optimiser, and what it could learn from."""
    facts = summary.optimizer
    return tuple(_learning(facts)) if facts is not None else ()


def _learning(facts: OptimizerFacts) -> Iterator[Pair]:
    yield Pair("Algorithm", f"{facts.name}: {ALGORITHMS[facts.name]}")
    yield Pair("Population", f"{facts.population_size} candidates a generation, {facts.dimension} checkpoints")
    if facts.name == "Random":
        yield Pair("Updates", "none: a random search is the control")
        return
    yield Pair("Updates", f"{phrases.count(facts.updates, 'complete generation')} told to the optimiser")
    if facts.untold and facts.closed:
        words = f"{phrases.count(facts.untold, 'candidate')} of an incomplete generation taught it nothing"
        yield Pair("Leftovers", words)
    elif facts.untold:
        yield Pair("Open generation", phrases.count(facts.untold, "candidate"))
    if facts.generations and facts.generations[0].clipped is not None:
        share = wording.share(facts.generations[0].clipped)
        yield Pair("Clipped to exactly 0", f"{share} of the numbers proposed in the first generation")


def cost(summary: Summary) -> tuple[Pair, ...]:
    """Time, GPU-hours, tokens, failures."""
    return tuple(_cost(summary))


def _cost(summary: Summary) -> Iterator[Pair]:
    spent, tries = summary.spent, summary.tries
    yield Pair("Active time", wording.duration(spent.active_seconds))
    yield Pair("Merging", wording.duration(spent.merge_seconds))
    yield Pair("Evaluating", wording.duration(spent.evaluate_seconds))
    if spent.gpu_seconds:
        yield Pair("GPU time", f"{spent.gpu_seconds:,.0f} GPU-seconds, {spent.gpu_seconds / 3600:.2f} GPU-hours")
        if spent.gpu_seconds_by_stage:
            parts = [f"{one.seconds:,.0f} {one.stage}" for one in spent.gpu_seconds_by_stage]
            yield Pair("GPU-seconds by stage", phrases.listed(parts))
    else:
        yield Pair("GPU time", "0 GPU-seconds: no GPUs are asked for, or nothing has run on one yet")
    yield Pair("Tokens", f"{spent.prompt_tokens:,} read, {spent.generated_tokens:,} written")
    yield Pair("Evaluations", f"{spent.evaluations:,} in all, baselines and confirmations included")
    yield Pair(
        "Candidates", f"{tries.scored} of at most {summary.max_evaluations} scored, {tries.failed} failed for good"
    )
    if tries.reused:
        words = f"{phrases.count(tries.reused, 'candidate')} had weights that were scored already, and cost nothing"
        yield Pair("Scores used again", words)
    yield Pair("Tried again", phrases.count(tries.retried, "time"))
    if tries.disrupted:
        times = phrases.count(tries.disrupted, "time")
        yield Pair("Disrupted", f"{times}: the platform ended a process, or weights were lost")


def rebuild(summary: Summary) -> tuple[Pair, ...]:
    """What the same search or the same model needs besides the checkpoints and their weights."""
    return tuple(_rebuild(summary))


def _rebuild(summary: Summary) -> Iterator[Pair]:
    facts = summary.rebuild
    yield Pair("Search", f"{summary.name}, UID {summary.uid or 'not given'}")
    yield Pair("Seed", str(facts.seed))
    yield Pair("Fitness", f"{facts.aggregate} of the held-in tasks")
    yield Pair("Merge", f"{facts.dtype}; weights below {facts.skip_below} dropped; tokenizer of {facts.tokenizer_from}")
    yield Pair("Evaluator", f"{facts.backend}, {facts.backend_dtype}")
    yield from _engine(facts)
    if facts.versions:
        yield Pair("Versions", ", ".join(f"{pair.name} {pair.value}" for pair in facts.versions))
    for pair in facts.images:
        yield Pair(f"Image of {pair.name}", pair.value)
    if facts.path is not None:
        yield Pair("Merged weights", f"{facts.path} on the workspace")
    if facts.weights_digest is not None:
        yield Pair("Digest of the weights", facts.weights_digest)


def _engine(facts: Rebuild) -> Iterator[Pair]:
    """Whatever else of the evaluator decides a score; what is not set is left to lm-eval and the backend."""
    if facts.engine_args:
        yield Pair("Arguments of the backend", ", ".join(f"{pair.name}={pair.value}" for pair in facts.engine_args))
    if facts.max_gen_toks is not None:
        yield Pair("Answers cut after", phrases.count(facts.max_gen_toks, "token"))
    if facts.batch_size is not None:
        yield Pair("Prompts at once", str(facts.batch_size))
    if facts.task_folders:
        yield Pair("Own tasks", f"from {phrases.listed(facts.task_folders)}")
    if facts.allow_code_execution:
        yield Pair("Programs in answers", "are run")
