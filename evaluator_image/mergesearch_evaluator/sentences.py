"""What NLTK needs to split a text into sentences, and would download where it does not find it. Imports NLTK only where
a task has done so already.
"""

import os
import sys
from collections.abc import MutableMapping
from pathlib import Path

VARIABLE = "NLTK_DATA"
"""Names folders with data of NLTK, which it looks into before the usual ones of the system."""
FOLDER = Path(__file__).parent / "nltk_data"
"""Parameters of our own; the README in it says which, and why they do."""


def offer(environment: MutableMapping[str, str]) -> None:
    """Let NLTK find our folder, after those that the user names."""
    given = [folder for folder in environment.get(VARIABLE, "").split(os.pathsep) if folder]
    environment[VARIABLE] = os.pathsep.join(dict.fromkeys([*given, str(FOLDER)]))


def trouble() -> str:
    """Why a task that was loaded could not split sentences, which it would find out while it scores answers; empty
    where it can, or where none uses NLTK.
    """
    if "nltk" not in sys.modules:
        return ""
    import nltk.data
    import nltk.tokenize

    try:
        why = "" if nltk.tokenize.punkt_model_available() else "there is none, or not all of it"
    except (OSError, ValueError) as error:
        why = " ".join(str(error).split())
    if not why:
        return ""
    folders = ", ".join(nltk.data.path)
    return f"NLTK cannot split sentences by its data punkt_tab: {why}; {VARIABLE} and the system name {folders}"
