"""Small data sets with the columns and splits of the benchmarks that the presets name, and tasks that read them:
lm-eval's own files, of which only the place of the data is another.

Each question comes with an answer and with whether it is right, so that scores are known.
"""

import importlib.util
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Document = dict[str, Any]
LM_EVAL = Path(str(importlib.util.find_spec("lm_eval").origin)).parent / "tasks"  # type: ignore[union-attr]
SUBJECTS = (
    *("biology", "business", "chemistry", "computer_science", "economics", "engineering", "health", "history"),
    *("law", "math", "other", "philosophy", "physics", "psychology"),
)
STORIES = ("murder_mysteries", "object_placements", "team_allocation")


@dataclass(frozen=True)
class Asked:
    """A question, an answer to it, and whether it is right."""

    document: Document
    answer: str
    right: bool


@dataclass(frozen=True)
class Benchmark:
    """The questions of each leaf task, in the order of its file."""

    leaves: Mapping[str, Sequence[Asked]]

    def answers(self) -> dict[str, str]:
        """By marker."""
        return {_marker(asked.document): asked.answer for leaf in self.leaves.values() for asked in leaf}

    def right(self, leaf: str, index: int) -> bool:
        return self.leaves[leaf][index].right


def write(folder: Path, *, mbpp: Path, mbpp_for_chat: Path) -> dict[str, Benchmark]:
    """All of them, by the name of the preset, and MBPP for models that do not chat. Its files are the evaluator's."""
    folder.mkdir(parents=True)
    numbers = iter(range(10_000))
    return {
        "GSM8K": _gsm8k(folder, numbers),
        "IFEval": _ifeval(folder, numbers),
        "MMLU-Pro": _mmlu_pro(folder, numbers),
        "MuSR": _musr(folder, numbers),
        "MBPP": _mbpp(folder, numbers, mbpp_for_chat, "```"),
        "MBPP without chat": _mbpp(folder, numbers, mbpp, ""),
    }


def _gsm8k(folder: Path, numbers: Iterator[int]) -> Benchmark:
    said = (
        ("Half of 84 is 42.\n#### 42", True),
        ("The answer is 42", True),
        ("She pays $1,042, of which 1,000 are the rent, so 42 are left.", True),
        ("#### 41", False),
        ("First 42, and then one more: 43", False),
        ("I cannot say.", False),
    )
    asked = [
        Asked({"question": f"[q{next(numbers)}] What is 6 x 7?", "answer": "It is 6 x 7 = <<6*7=42>>42\n#### 42"}, *one)
        for one in said
    ]
    train = [{"question": f"What is {n} + 1?", "answer": f"{n} + 1 = {n + 1}\n#### {n + 1}"} for n in range(8)]
    _task(folder, LM_EVAL / "gsm8k" / "gsm8k.yaml", "gsm8k", {"train": train, "test": _documents(asked)})
    return Benchmark({"gsm8k": asked})


def _ifeval(folder: Path, numbers: Iterator[int]) -> Benchmark:
    no_comma: tuple[str, Document] = ("punctuation:no_comma", {})
    shouting: tuple[str, Document] = (
        "change_case:capital_word_frequency",
        {"capital_frequency": 2, "capital_relation": "at least"},
    )
    # As lm-eval's files have them: what an instruction does not use is null.
    one: tuple[str, Document] = (
        "length_constraints:number_sentences",
        {"num_sentences": 2, "relation": "less than", "capital_frequency": None},
    )
    three: tuple[str, Document] = ("length_constraints:number_sentences", {"num_sentences": 3, "relation": "at least"})
    german: tuple[str, Document] = ("language:response_language", {"language": "de"})
    cases = (
        ((no_comma,), "Red green and blue.", True),
        ((no_comma,), "Red, green and blue.", False),
        ((shouting,), "Mr. SMITH left. WHY?", True),
        ((shouting,), "Mr. SMITH left. Why?", False),
        ((german,), "Der Hund liegt heute den ganzen Tag auf dem Sofa und schläft sehr tief.", True),
        ((german,), "The dog lies on the sofa all day long and sleeps very deeply today.", False),
        ((no_comma, shouting), "STOP and LOOK", True),
        ((no_comma, shouting), "STOP, and LOOK", False),
        ((no_comma,), "", False),
        ((one,), "Dr. Smith met Mr. Jones of Acme Inc. at 5 p.m. in the U.S. capital.", True),
        ((one,), "Dr. Smith met Mr. Jones. They had tea.", False),
        ((three,), "Dr. Smith met Mr. Jones in St. Louis. They had tea. It was late.", True),
        ((three,), "Dr. Smith met Mr. Jones in St. Louis. They had tea.", False),
    )
    asked = []
    for instructions, answer, right in cases:
        number = next(numbers)
        document = {
            "key": number,
            "prompt": f"[q{number}] Say something.",
            "instruction_id_list": [name for name, _ in instructions],
            "kwargs": [settings for _, settings in instructions],
        }
        asked.append(Asked(document, answer, right))
    _task(folder, LM_EVAL / "ifeval" / "ifeval.yaml", "ifeval", {"train": _documents(asked)})
    return Benchmark({"ifeval": asked})


def _mmlu_pro(folder: Path, numbers: Iterator[int]) -> Benchmark:
    said = (
        ("Two and two is four. The answer is (C).", True),
        ("So the answer is C", True),
        ("The answer is (D).", False),
        ("C", False),
    )
    subjects = {
        subject: [
            Asked(_choice(f"[q{next(numbers)}] What is 2 + 2?", subject), *said[(place + n) % 4]) for n in range(4)
        ]
        for place, subject in enumerate(SUBJECTS)
    }
    test = [asked.document for leaf in subjects.values() for asked in leaf]
    validation = [_choice(f"What is 1 + {n}?", subject) for subject in SUBJECTS for n in range(5)]
    _write(folder / "mmlu_pro", {"test": test, "validation": validation})
    for subject in SUBJECTS:
        name = f"mmlu_pro_{subject}"
        _redirected(folder, LM_EVAL / "mmlu_pro" / f"{name}.yaml", name, "mmlu_pro", ("test", "validation"))
    return Benchmark({f"mmlu_pro_{subject}": asked for subject, asked in subjects.items()})


def _choice(question: str, subject: str) -> Document:
    return {
        "question_id": 1,
        "question": question,
        "options": ["2", "3", "4", "5", "6", "7", "8", "9", "10", "N/A"],
        "answer": "C",
        "answer_index": 2,
        "cot_content": "A: Let's think step by step. We add. The answer is (C).",
        "category": subject.replace("_", " "),
        "src": "ours",
    }


def _musr(folder: Path, numbers: Iterator[int]) -> Benchmark:
    leaves = {}
    choices = ["Anna", "Bob, who was nowhere near at that time", "Carl"]
    for story in STORIES:
        asked = []
        for gold, said in (("Anna", "Anna"), ("Anna", "Carl"), (choices[1], choices[1]), ("Carl", choices[1])):
            document = {
                "narrative": f"[q{next(numbers)}] It was a dark night.",
                "question": "Who did it?",
                "choices": repr(choices),
                "answer_index": choices.index(gold),
                "answer_choice": gold,
            }
            asked.append(Asked(document, said, said == gold))
        name = f"leaderboard_musr_{story}"
        _task(folder, LM_EVAL / "leaderboard" / "musr" / f"musr_{story}.yaml", name, {story: _documents(asked)})
        leaves[name] = asked
    return Benchmark(leaves)


def _mbpp(folder: Path, numbers: Iterator[int], own: Path, fence: str) -> Benchmark:
    """`fence` ends the block that the prompt has opened."""
    said = (
        (f"def double(n):\n    return 2 * n\n{fence}", True),
        (f"def double(n):\n    return n + n\n{fence}" + ("\nThis adds the number to itself." if fence else ""), True),
        (f"def double(n):\n    return n ** 2\n{fence}", False),
        (f"def double(n):\n    return 1 / 0\n{fence}", False),
        (f"def double(n) return\n{fence}", False),
        ("I cannot do that.", False),
    )
    asked = [
        Asked(
            {
                "task_id": number,
                "text": f"[q{number}] Write a function that doubles a number.",
                "code": "def double(n):\r\n    return 2 * n",
                "test_list": ["assert double(3) == 6", "assert double(0) == 0", "assert double(-2) == -4"],
                "test_setup_code": "",
                "challenge_test_list": [],
            },
            *one,
        )
        for one, number in zip(said, numbers, strict=False)
    ]
    _task(folder, own, own.stem, {"test": _documents(asked)})
    return Benchmark({own.stem: asked})


def _documents(asked: Sequence[Asked]) -> list[Document]:
    return [one.document for one in asked]


def _marker(document: Document) -> str:
    text = json.dumps(document)
    return text[text.index("[q") + 1 : text.index("]", text.index("[q"))]


def _task(folder: Path, file: Path, name: str, splits: Mapping[str, Sequence[Document]]) -> None:
    _write(folder / name, splits)
    _redirected(folder, file, name, name, tuple(splits))


def _write(folder: Path, splits: Mapping[str, Sequence[Document]]) -> None:
    folder.mkdir()
    for split, documents in splits.items():
        lines = "".join(json.dumps(document) + "\n" for document in documents)
        (folder / f"{split}.jsonl").write_text(lines, encoding="utf-8")


def _redirected(folder: Path, file: Path, name: str, data: str, splits: Sequence[str]) -> None:
    """lm-eval's file with other data."""
    files = {split: str(folder / data / f"{split}.jsonl") for split in splits}
    content = {
        "include": str(file),
        "task": name,
        "dataset_path": "json",
        "dataset_name": None,
        "dataset_kwargs": {"data_files": files},
    }
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
