"""What is known of a task once lm-eval has loaded it, as frozen values: all that the checks look at. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

DEFAULT_MAX_GEN_TOKS = 256
"""lm-eval's own, for a task that says nothing."""

Weighting = Literal["size", "equal"]
"""How the leaves of a group make its score: each by its number of samples, or all alike."""


@dataclass(frozen=True)
class MetricFacts:
    """One metric of a task."""

    higher_is_better: bool | None
    is_mean: bool
    """Its score is the mean over samples; only such scores can be compared sample by sample."""


@dataclass(frozen=True)
class LeafFacts:
    """A task that has documents."""

    name: str
    total: int
    documents: str
    """Digest over the documents, the few-shot examples, and the configuration that makes prompts and scores of
    them.
    """
    metrics: Mapping[str, MetricFacts]
    open_ended: bool
    """Code of the task decides which metrics there are; the configuration may not name all of them."""
    filters: tuple[str, ...]
    output_type: str
    fixed_fewshot: int | None
    """What the task's configuration says."""
    fewshot_pool: int | None
    """Number of examples to draw from; None where that is unknown."""
    fewshot_from_documents: bool
    """The examples would be drawn from the documents that are scored."""
    runs_code: bool
    multimodal: bool
    repeats: int
    max_gen_toks: int | None
    own_sentences: bool = False
    """Answers are split into sentences by our parameters, since NLTK's are not there."""


@dataclass(frozen=True)
class TaskFacts:
    """A task as the user names it, with its leaves in lm-eval's order."""

    name: str
    leaves: tuple[LeafFacts, ...]
    aggregates: Mapping[tuple[str, str | None], Weighting]
    """For a group: the metrics that it aggregates itself, by metric and filter; filter None stands for all."""

    def weighting(self, metric: str, filter_name: str) -> Weighting | None:
        """How the group itself aggregates this metric; None if it does not."""
        return self.aggregates.get((metric, filter_name)) or self.aggregates.get((metric, None))


@dataclass(frozen=True)
class TokenizerFacts:
    """What a checkpoint's folder says about prompts."""

    has_chat_template: bool
    context_length: int | None
