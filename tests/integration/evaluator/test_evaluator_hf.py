"""Scores on the hf backend, by a real process with real lm-eval and transformers."""

import json
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from evaluator_support import models, process, tasks
from mergesearch import contract, files
from mergesearch_evaluator import samples
from mergesearch_evaluator.samples import Sample

Volumes = dict[str, Path]
ENGINE = tasks.engine(seed=4)
"""Another engine than that of the other tests, which may be up already."""


def ref(search: str) -> contract.SearchRef:
    return contract.SearchRef(name="soup", uid=search)


def read(volumes: Volumes, search: str, candidate: str, task: str, split: str = "search") -> Sequence[Sample]:
    return samples.read(volumes["workspace"] / files.samples_file(search, split, candidate, task))


def texts(found: Sequence[Sample]) -> list[str | None]:
    return [sample.text for sample in found]


def merged(volumes: Volumes, search: str, name: str, seed: int, **shape: Any) -> contract.EvaluationCandidate:
    """A finished merge of the search, as the merger publishes it."""
    location = files.merge_folder(search, name)
    models.write_model(volumes["workspace"] / location, seed, **shape)
    request_hash = contract.digest(search, name)
    models.write_json(volumes["workspace"] / location / files.MERGE_RECORD, {"requestHash": request_hash})
    return tasks.candidate(
        name, model=contract.VolumePath(volume="workspace", path=str(location)), merge_hash=request_hash
    )


@pytest.fixture(scope="module")
def four(evaluator: process.ResidentProcess) -> process.Answered:
    """All four checkpoints on two tasks, in one request."""
    wanted = [tasks.task("letters"), tasks.task("choices", "acc")]
    request = tasks.evaluation(["one", "two", "three", "four"], wanted, search=ref("four"), engine=ENGINE)
    return evaluator.ask(request)


def test_every_candidate_of_a_batch_gets_its_report_in_order_from_a_single_engine(four: process.Answered) -> None:
    assert four.exit.code == 0
    assert list(four.evaluations) == ["one", "two", "three", "four"]
    assert four.engine_starts == 1
    for report in four.evaluations.values():
        assert report.failure is None
        assert [score.task for score in report.scores] == ["letters", "choices"]
        assert [score.samples for score in report.scores] == [40, 24]
        assert 0 < report.load_seconds <= report.seconds
        assert report.peak_bytes > 2**26
        assert not report.reused


def test_a_score_and_its_standard_error_are_those_of_the_samples_on_the_volume(
    four: process.Answered, volumes: Volumes
) -> None:
    for candidate, report in four.evaluations.items():
        for score in report.scores:
            values = [sample.value for sample in read(volumes, "four", candidate, score.task)]
            assert score.score == pytest.approx(statistics.mean(values), abs=1e-12)
            assert score.stderr == pytest.approx(statistics.stdev(values) / math.sqrt(len(values)), abs=1e-12)


def test_a_sample_carries_what_was_asked_answered_and_counted(four: process.Answered, volumes: Volumes) -> None:
    found = read(volumes, "four", "one", "letters")
    assert [sample.index for sample in found] == list(range(40))
    answers = [document["answer"] for document in tasks.documents(40)]
    for sample, answer in zip(found, answers, strict=True):
        assert sample.leaf == "letters"
        assert sample.weight == 1 / 40
        assert sample.prompt_tokens == 5  # four letters and "="
        assert sample.text is not None
        assert sample.value == float(sample.text[:1] == answer)
    choices = read(volumes, "four", "one", "choices")
    assert {(sample.prompt_tokens, sample.generated_tokens, sample.text) for sample in choices} == {(24, 0, None)}
    report = four.evaluations["one"]
    assert report.prompt_tokens == 40 * 5 + 24 * 24
    assert report.generated_tokens == sum(sample.generated_tokens for sample in found) > 0


def test_checkpoints_answer_differently_or_the_other_tests_would_prove_nothing(
    four: process.Answered, volumes: Volumes
) -> None:
    answers = [texts(read(volumes, "four", name, "letters")) for name in four.evaluations]
    assert all(first != second for number, first in enumerate(answers) for second in answers[:number])


def test_the_last_candidate_of_a_batch_gets_what_a_fresh_process_gives_it(
    four: process.Answered, volumes: Volumes, home: Path
) -> None:
    wanted = [tasks.task("letters"), tasks.task("choices", "acc")]
    request = tasks.evaluation(["four"], wanted, search=ref("fresh"), engine=ENGINE)
    code, reports = process.run_once(request, volumes, home)
    assert code == 0
    (report,) = reports
    assert isinstance(report, contract.EvaluationReport)
    assert report.scores == four.evaluations["four"].scores
    for task in wanted:
        assert read(volumes, "fresh", "four", task.name) == read(volumes, "four", "four", task.name)


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param({"head": "untied"}, id="untied-head"),
        pytest.param({"head": "both"}, id="tied-head-with-another-one-in-the-file"),
        pytest.param({"dtype": "F32"}, id="fp32-files-scored-in-bf16"),
        pytest.param({"shards": 3}, id="several-shards"),
    ],
)
def test_weights_put_into_a_warm_model_answer_as_a_model_of_their_own(
    evaluator: process.ResidentProcess, volumes: Volumes, search: str, shape: dict[str, Any]
) -> None:
    first, second = (merged(volumes, search, name, seed, **shape) for name, seed in (("m1", 11), ("m2", 12)))
    wanted = [tasks.task("letters"), tasks.task("choices", "acc")]
    warm = evaluator.ask(tasks.evaluation([first, second], wanted, search=ref(search)))
    assert warm.engine_starts <= 1
    alone = evaluator.ask(
        tasks.evaluation([second], wanted, search=ref(search), split="again", engine=tasks.engine(seed=7))
    )
    assert alone.engine_starts == 1
    assert alone.evaluations["m2"].scores == warm.evaluations["m2"].scores
    for task in wanted:
        own = read(volumes, search, "m2", task.name, "again")
        assert own == read(volumes, search, "m2", task.name)
    assert texts(read(volumes, search, "m1", "letters")) != texts(read(volumes, search, "m2", "letters"))


def test_a_report_that_is_there_is_returned_and_no_engine_is_started(
    evaluator: process.ResidentProcess, search: str
) -> None:
    request = tasks.evaluation(["one"], [tasks.task("letters")], search=ref(search))
    first = evaluator.ask(request)
    other = tasks.engine(seed=99)  # another engine, were one needed
    again = evaluator.ask(request)
    assert again.progress == []
    assert again.reports == [first.evaluations["one"].model_copy(update={"reused": True})]
    changed = evaluator.ask(tasks.evaluation(["one"], [tasks.task("letters")], search=ref(search), engine=other))
    assert not changed.evaluations["one"].reused
    assert changed.engine_starts == 1


def test_samples_are_those_that_the_selection_names_and_no_others(
    evaluator: process.ResidentProcess, volumes: Volumes, search: str
) -> None:
    task = tasks.task("letters", stop=7)
    report = evaluator.ask(tasks.evaluation(["one"], [task], search=ref(search))).evaluations["one"]
    assert report.scores[0].samples == 7
    assert tuple(sample.index for sample in read(volumes, search, "one", "letters")) == task.samples[0].indices()


def test_a_single_sample_has_no_standard_error(evaluator: process.ResidentProcess, search: str) -> None:
    report = evaluator.ask(tasks.evaluation(["one"], [tasks.task("letters", stop=1)], search=ref(search)))
    assert report.evaluations["one"].scores[0].stderr is None


@pytest.mark.parametrize(
    ("group", "weights"),
    [
        pytest.param("by-size", (1 / 56, 1 / 56), id="lm-evals-own-by-size"),
        pytest.param("alike", (1 / 80, 1 / 32), id="lm-evals-own-all-alike"),
        pytest.param("bare", (1 / 56, 1 / 56), id="no-aggregate-of-its-own"),
    ],
)
def test_a_group_is_scored_as_lm_eval_does_it_or_by_size_with_the_error_of_its_leaves(
    evaluator: process.ResidentProcess, volumes: Volumes, search: str, group: str, weights: tuple[float, float]
) -> None:
    task = tasks.task(group, leaves=("letters", "more"))
    (score,) = evaluator.ask(tasks.evaluation(["two"], [task], search=ref(search))).evaluations["two"].scores
    found = read(volumes, search, "two", group)
    leaves = [[sample.value for sample in found if sample.leaf == leaf] for leaf in ("letters", "more")]
    assert [len(leaf) for leaf in leaves] == [40, 16]
    shares = [weight * len(leaf) for weight, leaf in zip(weights, leaves, strict=True)]
    assert score.samples == 56
    assert score.score == pytest.approx(
        sum(share * statistics.mean(leaf) for share, leaf in zip(shares, leaves, strict=True)), abs=1e-12
    )
    variance = sum(share**2 * statistics.variance(leaf) / len(leaf) for share, leaf in zip(shares, leaves, strict=True))
    assert score.stderr == pytest.approx(math.sqrt(variance), abs=1e-12)
    assert {(sample.leaf, sample.weight) for sample in found} == {("letters", weights[0]), ("more", weights[1])}


def test_a_leaf_of_which_no_sample_is_asked_for_is_not_scored(
    evaluator: process.ResidentProcess, volumes: Volumes, search: str
) -> None:
    task = tasks.task("by-size", leaves=("more",))
    (score,) = evaluator.ask(tasks.evaluation(["two"], [task], search=ref(search))).evaluations["two"].scores
    assert score.samples == 16
    assert {sample.leaf for sample in read(volumes, search, "two", "by-size")} == {"more"}


def test_few_shot_examples_and_a_chat_template_change_the_prompt(
    evaluator: process.ResidentProcess, volumes: Volumes, search: str
) -> None:
    chatty = merged(volumes, search, "chatty", 1, template=models.TEMPLATE)
    counts = {}
    for split, changes in (
        ("search", {}),
        ("again", {"num_fewshot": 2}),
        ("unseen", {"chat_template": True}),
    ):
        task = tasks.task("letters", stop=3, **changes)
        done = evaluator.ask(tasks.evaluation([chatty], [task], search=ref(search), split=split))
        assert done.exit.code == 0, done.exit.message
        counts[split] = {sample.prompt_tokens for sample in read(volumes, search, "chatty", "letters", split)}
    assert counts["search"] == {5}
    assert counts["again"] == {5 + 2 * 6}  # two examples of a prompt and its answer
    assert counts["unseen"] == {5 + 1}  # the template ends with "=" once more


def test_answers_do_not_depend_on_what_was_scored_before(
    evaluator: process.ResidentProcess, volumes: Volumes, search: str
) -> None:
    task = tasks.task("letters", num_fewshot=2)
    before = evaluator.ask(tasks.evaluation(["one"], [task], search=ref(search)))
    evaluator.ask(tasks.evaluation(["two", "three"], [task], search=ref(search)))
    after = evaluator.ask(tasks.evaluation(["one"], [task], search=ref(search), split="again"))
    assert after.evaluations["one"].scores == before.evaluations["one"].scores
    assert read(volumes, search, "one", "letters") == read(volumes, search, "one", "letters", "again")


def test_max_gen_toks_replaces_what_the_task_says(
    evaluator: process.ResidentProcess, volumes: Volumes, search: str
) -> None:
    for split, limit in (("search", None), ("again", 1)):
        engine = tasks.engine(max_gen_toks=limit)
        evaluator.ask(
            tasks.evaluation(["one"], [tasks.task("letters")], search=ref(search), split=split, engine=engine)
        )
    longest = {
        split: max(sample.generated_tokens for sample in read(volumes, search, "one", "letters", split))
        for split in ("search", "again")
    }
    assert longest == {"search": 2, "again": 1}


# --- What is lost, torn or not finite ---


def test_a_merge_that_is_gone_or_another_can_be_tried_again_and_the_others_go_on(
    evaluator: process.ResidentProcess, volumes: Volumes, search: str
) -> None:
    good = merged(volumes, search, "good", 21)
    other = merged(volumes, search, "other", 22).model_copy(update={"merge_hash": "0" * 64})
    gone = good.model_copy(
        update={"id": "gone", "model": contract.VolumePath(volume="workspace", path=f"{search}/merges/gone")}
    )
    torn = merged(volumes, search, "torn", 23)
    weights = volumes["workspace"] / files.merge_folder(search, "torn") / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    done = evaluator.ask(tasks.evaluation([gone, other, torn, good], [tasks.task("letters")], search=ref(search)))
    assert done.exit.code == 0
    for name, words in (
        ("gone", "there is no finished merge"),
        ("other", "holds the merge"),
        ("torn", "its header promises"),
    ):
        failure = done.evaluations[name].failure
        assert failure is not None
        assert (failure.reason, failure.transient) == ("WeightsLost", True)
        assert words in failure.message
        folder = volumes["workspace"] / files.evaluation_folder(search, "search", name)
        assert not folder.exists(), "a failure that may pass must not be taken for a result"
    assert done.evaluations["good"].scores


NAN = """
import math

def process(document, results):
    return {"strange": math.nan if results[0].startswith("%s") else 1.0}
"""


def test_a_score_that_is_not_finite_fails_its_candidate_for_good_and_the_others_go_on(
    evaluator: process.ResidentProcess, volumes: Volumes, search: str, four: process.Answered
) -> None:
    folder = volumes["tasks"] / search
    folder.mkdir()
    tasks.write_documents(folder / "nan.jsonl", tasks.documents(1))
    first = {name: str(read(volumes, "four", name, "letters")[0].text)[:1] for name in ("one", "two", "three", "four")}
    bad = first["one"]
    (folder / "scoring.py").write_text(NAN % bad)
    (folder / "nan.yaml").write_text(
        "task: nan\ndataset_path: json\ndataset_kwargs: {data_files: {test: nan.jsonl}}\ntest_split: test\n"
        'output_type: generate_until\ndoc_to_text: "{{prompt}}"\ndoc_to_target: "{{answer}}"\ntarget_delimiter: ""\n'
        'generation_kwargs: {until: ["<eos>"], max_gen_toks: 2}\nprocess_results: !function scoring.process\n'
        "metric_list: [{metric: strange, aggregation: mean, higher_is_better: true}]\n"
    )
    good = next(name for name, letter in first.items() if letter != bad)
    engine = tasks.engine(include_paths=(contract.VolumePath(volume="tasks", path=search),))
    task = tasks.task("nan", "strange", sizes={"nan": 1})
    request = tasks.evaluation(["one", good], [task], search=ref(search), engine=engine)
    done = evaluator.ask(request)
    failure = done.evaluations["one"].failure
    assert failure is not None
    assert (failure.reason, failure.transient) == ("NonFiniteScore", False)
    assert failure.message == "nan: strange of nan document 0 is nan"
    assert done.evaluations["one"].scores == ()
    assert done.evaluations[good].scores[0].score == 1.0
    alone = evaluator.ask(tasks.evaluation(["one"], [task], search=ref(search), engine=engine))
    assert (alone.exit.code, alone.exit.reason) == (65, "NonFiniteScore")
    assert not alone.evaluations["one"].reused, "a failure is tried again when it is asked for"


def test_no_number_in_a_published_file_is_anything_but_finite_json(four: process.Answered, volumes: Volumes) -> None:
    folder = volumes["workspace"] / "four" / "evaluations" / "search"
    reports = sorted(folder.glob("*/report.json"))
    assert [path.parent.name for path in reports] == ["four", "one", "three", "two"]
    for path in reports:
        json.loads(path.read_text(), parse_constant=pytest.fail)
        assert {file.name for file in path.parent.iterdir()} == {
            "report.json",
            "letters.jsonl.zst",
            "choices.jsonl.zst",
        }
