"""The checks over what is known of a task, one wrong thing at a time; the sentences are tested with real tasks."""

from dataclasses import replace
from typing import Any

import pytest

from mergesearch.contract import Engine, TaskQuestion
from mergesearch_evaluator import checks
from mergesearch_evaluator.checks import Question
from mergesearch_evaluator.facts import LeafFacts, MetricFacts, TaskFacts, TokenizerFacts

LEAF = LeafFacts(
    name="leaf",
    total=10,
    documents="0" * 16,
    metrics={
        "right": MetricFacts(higher_is_better=True, is_mean=True),
        "wrong": MetricFacts(higher_is_better=False, is_mean=True),
        "odd": MetricFacts(higher_is_better=True, is_mean=False),
    },
    open_ended=False,
    filters=("none",),
    output_type="generate_until",
    fixed_fewshot=None,
    fewshot_pool=5,
    fewshot_from_documents=False,
    runs_code=False,
    multimodal=False,
    repeats=1,
    max_gen_toks=10,
)
ASKED = TaskQuestion(name="task", metric="right")
ENGINE = Engine(backend="hf")
TOKENIZER = TokenizerFacts(has_chat_template=False, context_length=100)


def ask(
    leaf: dict[str, Any] | None = None,
    asked: dict[str, Any] | None = None,
    engine: dict[str, Any] | None = None,
    tokenizer: dict[str, Any] | None = None,
) -> Question:
    found = TaskFacts(name="task", leaves=(replace(LEAF, **(leaf or {})),), aggregates={})
    return Question(
        asked=ASKED.model_copy(update=asked or {}),
        found=found,
        engine=ENGINE.model_copy(update=engine or {}),
        tokenizer=replace(TOKENIZER, **(tokenizer or {})),
    )


@pytest.mark.parametrize(
    ("question", "reasons"),
    [
        pytest.param(ask(), [], id="nothing-wrong"),
        pytest.param(ask(asked={"metric": "none such"}), ["MetricMissing"], id="metric"),
        pytest.param(
            ask({"open_ended": True}, {"metric": "none such"}), [], id="metric-that-only-the-tasks-code-knows"
        ),
        pytest.param(ask(asked={"filter": "strict"}), ["MetricMissing"], id="filter"),
        pytest.param(ask(asked={"metric": "wrong"}), ["MetricUnsupported"], id="lower-is-better"),
        pytest.param(ask(asked={"metric": "odd"}), ["MetricUnsupported"], id="no-mean"),
        pytest.param(ask({"multimodal": True}), ["TaskUnreadable"], id="images"),
        pytest.param(ask({"runs_code": True}), ["EngineRefused"], id="code"),
        pytest.param(ask({"runs_code": True}, engine={"allow_code_execution": True}), [], id="code-allowed"),
        pytest.param(ask(asked={"chat_template": True}), ["TokenizerMismatch"], id="no-template"),
        pytest.param(ask(asked={"chat_template": True}, tokenizer={"has_chat_template": True}), [], id="template"),
        pytest.param(ask({"fixed_fewshot": 0}, {"num_fewshot": 2}), ["TaskUnreadable"], id="fixed-at-no-example"),
        pytest.param(ask({"fixed_fewshot": 0}, {"num_fewshot": 0}), [], id="fixed-at-no-example-and-none-asked"),
        pytest.param(ask(asked={"num_fewshot": 5}), [], id="all-examples"),
        pytest.param(ask(asked={"num_fewshot": 6}), ["TooFewSamples"], id="too-many-examples"),
        pytest.param(ask({"fixed_fewshot": 6}), ["TooFewSamples"], id="too-many-examples-by-the-task-itself"),
        pytest.param(
            ask({"fewshot_from_documents": True}, {"num_fewshot": 5}),
            ["TooFewSamples"],
            id="examples-from-the-documents-leave-out-the-one-that-is-scored",
        ),
        pytest.param(ask({"fewshot_pool": None}, {"num_fewshot": 50}), [], id="unknown-number-of-examples"),
        pytest.param(ask({"max_gen_toks": 100}), ["EngineRefused"], id="answer-fills-the-context"),
        pytest.param(ask({"max_gen_toks": 99}), [], id="answer-leaves-a-token"),
        pytest.param(ask({"max_gen_toks": None}), ["EngineRefused"], id="lm-evals-own-256-tokens"),
        pytest.param(ask({"max_gen_toks": None}, tokenizer={"context_length": None}), [], id="context-unknown"),
        pytest.param(ask(engine={"max_gen_toks": 200}), ["EngineRefused"], id="answers-as-long-as-the-request-says"),
        pytest.param(ask(engine={"engine_args": {"max_model_len": 8}}), ["EngineRefused"], id="context-of-the-request"),
        pytest.param(ask({"output_type": "multiple_choice", "max_gen_toks": None}), [], id="nothing-is-generated"),
        pytest.param(
            ask({"multimodal": True}, {"filter": "strict", "chat_template": True}),
            ["MetricMissing", "TaskUnreadable", "TokenizerMismatch"],
            id="all-at-once",
        ),
    ],
)
def test_every_check_finds_its_own(question: Question, reasons: list[str]) -> None:
    assert [problem.reason for problem in checks.problems_of(question)] == reasons


@pytest.mark.parametrize(
    ("question", "words"),
    [
        pytest.param(ask(), [], id="nothing-to-say"),
        pytest.param(ask({"open_ended": True}, {"metric": "new"}), ["code of the task"], id="metric-of-code"),
        pytest.param(ask({"repeats": 8}), ["repeats 8 times"], id="repeats"),
        pytest.param(ask({"fewshot_from_documents": True}, {"num_fewshot": 2}), ["its 2 few-shot examples"], id="leak"),
        pytest.param(ask({"fewshot_from_documents": True}), [], id="no-examples-no-leak"),
        pytest.param(ask({"own_sentences": True}), ["NLTK finds no punkt_tab"], id="own-sentences"),
        pytest.param(
            ask({"fixed_fewshot": 5}, {"num_fewshot": 2}), ["numFewshot 2 replaces the task's own 5"], id="replaced"
        ),
    ],
)
def test_what_is_allowed_but_strange_is_said(question: Question, words: list[str]) -> None:
    found = list(checks.warnings_of(question))
    assert len(found) == len(words)
    assert all(word in sentence for word, sentence in zip(words, found, strict=True))


def test_a_group_of_sixty_leaves_gets_one_sentence_for_one_mistake() -> None:
    leaves = tuple(replace(LEAF, name=f"leaf{number}") for number in range(60))
    question = replace(ask(asked={"metric": "wrong"}), found=TaskFacts("task", leaves, {}))
    (problem,) = checks.problems_of(question)
    assert problem.message.startswith("leaf0: ")


def test_a_filter_of_a_groups_aggregate_is_found_by_name_or_for_all() -> None:
    found = TaskFacts("task", (LEAF,), {("right", "strict"): "equal", ("odd", None): "size"})
    assert found.weighting("right", "strict") == "equal"
    assert found.weighting("right", "none") is None
    assert found.weighting("odd", "whatever") == "size"
