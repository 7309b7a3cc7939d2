"""What is random while answers are scored is seeded anew for every model."""

import os
import subprocess
import sys

PROGRAM = """
import langdetect
from mergesearch_evaluator import harness

TEXTS = ["taxi banana kilo", "la la la", "ok", "Radio Hotel Auto", "no no", "am in an", "menu hotel", "de la"]

def guesses():
    return tuple(langdetect.detect(text) for text in TEXTS)

def seeded():
    harness._seed([], 7)
    return guesses()

before = len({guesses() for _ in range(30)})
after = len({seeded() for _ in range(30)})
print(before > 1, after)
"""


def test_the_language_of_an_answer_is_guessed_alike_each_time() -> None:
    """IFEval asks for it, and the guess draws random numbers."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=1200,
    )
    assert done.stdout.split() == ["True", "1"], done.stderr[-2000:]
