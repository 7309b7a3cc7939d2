"""What NLTK needs to split a text into sentences, and would download where it does not find it. Imports NLTK only where
a task has done so already.
"""

import hashlib
import os
import sys
import types
import warnings
from collections.abc import Iterable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

VARIABLE = "NLTK_DATA"
"""Names folders with data of NLTK, which it looks into before the usual ones of the system."""
FOLDER = Path(__file__).parent / "nltk_data"
"""Parameters of our own; the README in it says which, and what they change."""
NAMES = ("punkt_tab", "punkt_tab.zip")
"""What NLTK's own data is called below `tokenizers`, unpacked and as it was downloaded."""
ENGLISH = "tokenizers/punkt_tab/english/"
FILES = ("abbrev_types.txt", "collocations.tab", "ortho_context.tab", "sent_starters.txt")
TASKS = "lm_eval.tasks"


def offer(environment: MutableMapping[str, str]) -> None:
    """Let NLTK find our folder where it would find no other: not in those that the user names, nor in the usual ones.
    Behind the usual folders it cannot be put, since the variable names what comes before them.
    """
    given = [folder for folder in environment.get(VARIABLE, "").split(os.pathsep) if folder not in ("", str(FOLDER))]
    home = environment.get("HOME") or os.path.expanduser("~")  # noqa: PTH111 - as NLTK has it
    named = [os.path.expanduser(folder) for folder in given]  # noqa: PTH111
    if not any(_holds(folder) for folder in (*named, *usual(home))):
        given.append(str(FOLDER))
    if given:
        environment[VARIABLE] = os.pathsep.join(given)
    else:
        environment.pop(VARIABLE, None)


def usual(home: str) -> list[str]:
    """The folders that NLTK looks into unasked."""
    own = [os.path.join(sys.prefix, *below, "nltk_data") for below in ((), ("share",), ("lib",))]  # noqa: PTH118
    system = [f"/usr/{below}/nltk_data" for below in ("share", "local/share", "lib", "local/lib")]
    return [f"{home}/nltk_data", *own, *system]


def _holds(folder: str) -> bool:
    # Unlike a path's own method, this one takes a folder that must not be read for one without data, as NLTK does.
    return any(os.path.exists(f"{folder}/tokenizers/{name}") for name in NAMES)  # noqa: PTH110


def trouble() -> str:
    """Why a task that was loaded could not split sentences, which it would find out while it scores answers; empty
    where it can, or where none uses NLTK.
    """
    if "nltk" not in sys.modules:
        return ""
    import nltk.data
    import nltk.tokenize

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            why = "" if nltk.tokenize.punkt_model_available() else "there is none, or not all of it"
        except (OSError, ValueError) as error:
            why = " ".join(str(error).split())
    if not why:
        return ""
    refused = "".join(f"; {one.message}" for one in said if issubclass(one.category, RuntimeWarning))
    folders = ", ".join(nltk.data.path)
    return (
        f"NLTK cannot split sentences by its data punkt_tab: {why}{refused}; {VARIABLE} and the system name {folders}"
    )


def used_by(functions: Iterable[object]) -> bool:
    """Whether what scores a task's answers reaches NLTK: in the file of the function, or in one of lm-eval's tasks that
    is imported there.
    """
    waiting = [found for one in functions for found in _globals(one)]
    seen: set[int] = set()
    while waiting:
        names = waiting.pop()
        if id(names) in seen:
            continue
        seen.add(id(names))
        for module in map(_module, list(names.values())):
            if module.partition(".")[0] == "nltk":
                return True
            if module.startswith(f"{TASKS}.") and module in sys.modules:
                waiting.append(vars(sys.modules[module]))
    return False


def _globals(function: object) -> Iterator[dict[str, Any]]:
    function = getattr(function, "func", function)
    if isinstance(function, types.FunctionType):
        yield function.__globals__


def _module(value: object) -> str:
    """The name of a module, or of the one that a function or class comes from."""
    return str(value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", None))


def parameters() -> tuple[str, bool]:
    """A digest of what NLTK splits English sentences by, and whether that is ours. Asked only where there is no
    trouble.
    """
    import nltk.data

    folder = nltk.data.find(ENGLISH)
    sha = hashlib.sha256()
    for name in FILES:
        with folder.join(name).open() as stream:
            sha.update(hashlib.sha256(stream.read()).digest())
    return sha.hexdigest(), Path(getattr(folder, "path", "")).is_relative_to(FOLDER)
