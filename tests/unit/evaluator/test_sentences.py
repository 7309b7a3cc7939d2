"""What NLTK splits sentences by, in processes of their own: NLTK reads its folders once."""

import os
import subprocess
import sys
from pathlib import Path

from mergesearch_evaluator import sentences

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
assert nltk.word_tokenize("Mr. SMITH. WHY?") == ["Mr", ".", "SMITH", ".", "WHY", "?"], "ours is in use"
print("other sentences" if differs > 50 else f"{differs}: nothing was tried")
"""
TROUBLE = """
from mergesearch_evaluator import sentences
assert sentences.trouble() == "", "nobody has asked for NLTK"
import nltk
print(sentences.trouble())
"""


def run(program: str, folders: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, sentences.VARIABLE: folders, "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


def test_our_folder_comes_after_those_of_the_user_and_once() -> None:
    environment = {sentences.VARIABLE: f"/mine{os.pathsep}/other"}
    for _ in range(2):
        sentences.offer(environment)
        assert environment[sentences.VARIABLE].split(os.pathsep) == ["/mine", "/other", str(sentences.FOLDER)]
    unset: dict[str, str] = {}
    sentences.offer(unset)
    assert unset == {sentences.VARIABLE: str(sentences.FOLDER)}


def test_what_punkt_has_learned_does_not_change_how_many_words_stand_in_capitals() -> None:
    """That number is all that IFEval asks NLTK for. What is learned decides whether a sentence ends after a word that
    may be an abbreviation; whatever it decides, the word is one word, with its full stop or without.
    """
    assert run(SAME_COUNT, str(sentences.FOLDER)) == "other sentences"


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
