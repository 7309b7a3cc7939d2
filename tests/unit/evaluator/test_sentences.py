"""What NLTK splits sentences by, in processes of their own: NLTK reads its folders once."""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from evaluator_support import benchmarks
from mergesearch_evaluator import sentences
from mergesearch_evaluator.tasks import BUILT_IN

SAME_COUNT = r"""
import nltk, nltk.tokenize
from hypothesis import given, settings, strategies as st
from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

LEARNED = ["mr", "dr", "u.s.a", "nasa", "e.g", "i.e", "end", "a", "no", "vs", "p.m", "st", "##number##", "5", "éa"]
SAID = ["Mr.", "DR.", "U.S.A.", "NASA.", "NASA!", "E.G.", "i.e.", "END.", "End", "No. 5.", "P.M.", "VS.", "ÉA."]
SAID += ["I'M", "DON'T.", "don't.", "CAN'T", "IT'S.", "OK?", '"STOP."', "...", "A.", "(A.)", "A. B.", "STOP,"]
words = st.text(alphabet="ABab5.'!?,;:\"()-& \n", max_size=8) | st.sampled_from(SAID)
names = st.sampled_from(LEARNED)
own = nltk.tokenize._get_punkt_tokenizer()

def capitals(tokenizer, text):
    sentences = tokenizer.tokenize(text)
    return sum(token.isupper() for one in sentences for token in nltk.tokenize.NLTKWordTokenizer().tokenize(one))

@st.composite
def learned(draw):
    parameters = PunktParameters()
    parameters.abbrev_types = draw(st.sets(names))
    parameters.sent_starters = draw(st.sets(names))
    parameters.collocations = draw(st.sets(st.tuples(names, names)))
    for name in draw(st.sets(names)):
        parameters.ortho_context[name] = draw(st.integers(0, 127))
    return PunktSentenceTokenizer(parameters)

differs = 0

@settings(max_examples=1000, deadline=None, derandomize=True, database=None)
@given(learned(), st.lists(words, max_size=12).map(" ".join))
def test(other, text):
    global differs
    differs += other.tokenize(text) != own.tokenize(text)
    assert capitals(own, text) == capitals(other, text), text

test()
assert nltk.word_tokenize("Mr. SMITH. WHY?") == ["Mr.", "SMITH", ".", "WHY", "?"], "ours is in use"
print("other sentences" if differs > 50 else f"{differs}: nothing was tried")
"""
TROUBLE = """
from mergesearch_evaluator import sentences
assert sentences.trouble() == "", "nobody has asked for NLTK"
import nltk
print(sentences.trouble())
"""
COUNT = """
import json, sys
from lm_eval.tasks.ifeval.instructions_registry import INSTRUCTION_DICT

def follows(text, number, relation):
    instruction = INSTRUCTION_DICT["length_constraints:number_sentences"]("length_constraints:number_sentences")
    instruction.build_description(num_sentences=number, relation=relation)
    return instruction.check_following(text)

for text in json.loads(sys.argv[1]):
    counts = [n for n in range(1, 20) if follows(text, n, "at least") and follows(text, n + 1, "less than")]
    print(*counts)
"""
OFFERED = """
import os
from mergesearch_evaluator import sentences
sentences.offer(os.environ)
import nltk
assert not sentences.trouble(), sentences.trouble()
print(len(nltk.sent_tokenize("One zork. Two. Mr. X.")), sentences.parameters()[1])
"""
LOADED = """
import os, sys
from pathlib import Path
from mergesearch_evaluator import sentences
sentences.offer(os.environ)
from mergesearch_evaluator.catalog import Catalog
(leaf,) = Catalog([Path(sys.argv[1])]).load(sys.argv[2], allow_code=False).facts.leaves
print(leaf.documents, leaf.own_sentences)
"""
USUAL = """
import nltk.data
print("\\n".join(nltk.data.path))
"""
COUNTED = {
    "Dr. Smith met Mr. Jones of Acme Inc. at 5 p.m. in the U.S. capital.": 1,
    "Mrs. Kim and Ms. Lee, Prof. Wu and Sen. Ray met on Jan. 5 in St. Paul, Minn. for tea.": 1,
    "Dr. Smith met Mr. Jones. They had tea.": 2,
    "J. K. Rowling wrote it. I read it.": 2,
    "It was made in the U.S. The rest was not.": 2,
    "We take plan B. He left.": 2,
    "Well... He left.": 2,
    "well... he left.": 1,
    "Is it 3.5? Yes. No!": 3,
    "The answer is no. It is late.": 2,
    "1. Tea\n2. Cake": 3,
    'He said: "Go!" She went.': 2,
    "One. Two. Three.": 3,
    "No full stop": 1,
}
"""Sentences of each text: by our parameters, and by NLTK's own too."""
USES = {
    "KeySentenceChecker": {"instructions_util.split_into_sentences"},
    "NumberOfSentences": {"instructions_util.count_sentences"},
    "NumberOfWords": {"instructions_util.count_words"},
    "CapitalWordFrequencyChecker": {"instructions_util.nltk.word_tokenize"},
}
"""What lm-eval's instructions use of the module that imports NLTK, where it splits a text. Of these four, the first is
in no registry and uses no NLTK, and the third splits by a regular expression.
"""
SPLITTERS = {
    "download_nltk_resources": {"nltk.data.find", "nltk.download"},
    "count_words": {"nltk.tokenize.RegexpTokenizer"},
    "_get_sentence_tokenizer": {"nltk.data.load"},
}
"""What that module uses of NLTK."""
DRAWS = {"instructions_util.generate_keywords", "instructions_util.LANGUAGE_CODES"}
"""What it holds besides."""


def run(program: str, folders: str, *arguments: str, home: str = "/nonexistent") -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, sentences.VARIABLE: folders, "HOME": home},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


def install(folder: Path, *, zipped: bool = False) -> Path:
    """Parameters of a user, who knows one abbreviation that nobody else does; they are right otherwise."""
    english = folder / "tokenizers" / "punkt_tab" / "english"
    english.mkdir(parents=True)
    for name in sentences.FILES:
        (english / name).write_text("zork\n" if name == "abbrev_types.txt" else "")
    if zipped:
        shutil.make_archive(str(english.parent), "zip", english.parents[1], "punkt_tab")
        shutil.rmtree(english.parent)
    return folder


def test_our_folder_is_offered_behind_those_of_the_user_once_and_only_where_they_hold_no_data(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    environment = home | {sentences.VARIABLE: f"/mine{os.pathsep}/other"}
    for _ in range(2):
        sentences.offer(environment)
        assert environment[sentences.VARIABLE].split(os.pathsep) == ["/mine", "/other", str(sentences.FOLDER)]
    unset = dict(home)
    sentences.offer(unset)
    assert unset == home | {sentences.VARIABLE: str(sentences.FOLDER)}
    install(tmp_path / "nltk_data")
    for offered in (environment, unset):
        sentences.offer(offered)
    assert environment[sentences.VARIABLE] == f"/mine{os.pathsep}/other"
    assert unset == home


def test_the_usual_folders_are_those_of_nltk(tmp_path: Path) -> None:
    assert run(USUAL, "", home=str(tmp_path)).splitlines() == sentences.usual(str(tmp_path))


@pytest.mark.parametrize("zipped", [False, True], ids=["unpacked", "zip"])
@pytest.mark.parametrize("place", ["named", "~/named", "home"])
def test_data_of_the_user_wins_over_ours(tmp_path: Path, place: str, *, zipped: bool) -> None:
    folder = install(tmp_path / ("nltk_data" if place == "home" else "named"), zipped=zipped)
    named = {"named": str(folder), "~/named": place, "home": ""}[place]

    assert run(OFFERED, named, home=str(tmp_path)) == "3 False"


def test_ours_is_used_where_the_user_has_none(tmp_path: Path) -> None:
    assert run(OFFERED, str(tmp_path), home=str(tmp_path)) == "3 True"


@pytest.mark.parametrize(("task", "told"), [("ifeval", True), ("gsm8k", False)])
def test_a_task_that_splits_sentences_is_another_with_other_parameters(
    tmp_path: Path, task: str, *, told: bool
) -> None:
    (own,) = BUILT_IN.rglob("mergesearch_mbpp.yaml")
    benchmarks.write(tmp_path / "tasks", mbpp=own, mbpp_for_chat=own.with_name("mergesearch_mbpp_instruct.yaml"))
    install(tmp_path / "with" / "nltk_data")

    ours, theirs = (
        run(LOADED, "", str(tmp_path / "tasks"), task, home=str(tmp_path / home)).split()
        for home in ("without", "with")
    )

    assert (ours[1], theirs[1]) == (str(told), "False")
    assert (ours[0] != theirs[0]) is told


def test_what_punkt_has_learned_does_not_change_how_many_words_stand_in_capitals() -> None:
    """What is learned decides whether a sentence ends after a word that may be an abbreviation; whatever it decides,
    the word is one word, with its full stop or without.
    """
    assert run(SAME_COUNT, str(sentences.FOLDER)) == "other sentences"


def test_lm_eval_counts_the_sentences_of_texts_with_abbreviations_right() -> None:
    counted = run(COUNT, str(sentences.FOLDER), json.dumps(list(COUNTED))).splitlines()

    assert dict(zip(COUNTED, map(int, counted), strict=True)) == COUNTED


@pytest.mark.parametrize("package", ["ifeval", "leaderboard/ifeval"])
def test_nothing_else_of_an_instruction_depends_on_how_nltk_splits(package: str) -> None:
    """A use that a later lm-eval adds needs a look: whether our parameters do for it, and a count above."""
    instructions = used(package, "instructions", "instructions_util")
    assert {name: found - DRAWS for name, found in instructions.items() if found - DRAWS} == USES
    assert used(package, "instructions_util", "nltk") == SPLITTERS


def used(package: str, module: str, name: str) -> dict[str, set[str]]:
    """The dotted names that begin with this one, by the class or function of the module that they stand in."""
    tree = ast.parse((benchmarks.LM_EVAL / package / f"{module}.py").read_text(encoding="utf-8"))
    found: dict[str, set[str]] = {}
    for part in tree.body:
        dotted = {ast.unparse(node) for node in ast.walk(part) if isinstance(node, ast.Attribute)}
        longest = {one for one in dotted if one.startswith(f"{name}.") and "(" not in one}
        longest = {one for one in longest if not any(other.startswith(f"{one}.") for other in longest)}
        if longest:
            found[getattr(part, "name", "")] = longest
    return found


def test_there_is_no_trouble_with_our_folder() -> None:
    assert run(TROUBLE, str(sentences.FOLDER)) == ""


def test_data_that_is_missing_is_told_with_the_variable_that_names_its_folders(tmp_path: Path) -> None:
    told = run(TROUBLE, str(tmp_path))

    assert "NLTK cannot split sentences by its data punkt_tab: there is none, or not all of it" in told
    assert "NLTK_DATA" in told
    assert str(tmp_path) in told


def test_data_of_the_user_that_is_not_whole_is_told(tmp_path: Path) -> None:
    english = tmp_path / "tokenizers" / "punkt_tab" / "english"
    english.mkdir(parents=True)
    (english / "collocations.tab").touch()

    assert "not all of it" in run(TROUBLE, f"{tmp_path}{os.pathsep}{sentences.FOLDER}")


def test_data_of_the_user_that_nltk_refuses_is_told_with_its_reason(tmp_path: Path) -> None:
    """As in a volume that a group may write to."""
    folder = install(tmp_path / "named")
    folder.chmod(0o775)

    told = run(TROUBLE, f"{folder}{os.pathsep}{tmp_path}")
    assert "there is none, or not all of it; NLTK will not read data from" in told
    assert "chmod go-w" in told
