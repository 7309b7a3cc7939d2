"""A digest over what a leaf task asks and how it scores the answers: equal on every machine, different when a file of
the task was edited. Takes lm-eval's objects as they come, imports no framework.
"""

import dataclasses
import datetime
import hashlib
import inspect
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

DIGITS = 16
"""As the contract has it."""
CONFIGURATION = (
    "output_type",
    "process_docs",
    "doc_to_text",
    "doc_to_target",
    "doc_to_choice",
    "process_results",
    "use_prompt",
    "description",
    "target_delimiter",
    "fewshot_delimiter",
    "fewshot_config",
    "metric_list",
    "generation_kwargs",
    "repeats",
    "filter_list",
    "gen_prefix",
)
"""Fields of a task's configuration that make prompts and scores of its documents. Where the documents lie is left out:
a path differs from machine to machine, and the documents are digested themselves.
"""


def digest(documents: Iterable[Any], examples: Iterable[Any], configuration: Any, data: str = "") -> str:
    """The start of a SHA-256 over the documents, the few-shot examples, the configuration, and a digest of other data
    that the answers are scored by, in this order.
    """
    sha = hashlib.sha256()
    for part in (documents, examples):
        for item in part:
            sha.update(_canonical(item))
            sha.update(b"\n")
        sha.update(b"\n")
    fields = {name: getattr(configuration, name, None) for name in CONFIGURATION}
    sha.update(_canonical(fields))
    sha.update(data.encode())
    return sha.hexdigest()[:DIGITS]


def _canonical(value: Any) -> bytes:
    return json.dumps(_plain(value), sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def _plain(value: Any) -> Any:
    """The value in JSON's terms. Whatever would carry an address of this process is named by its type alone."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if hasattr(value, "tolist"):  # of numpy
        return _plain(value.tolist())
    return _scalar(value)


def _scalar(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    return _code(value) if callable(value) else type(value).__qualname__


def _code(function: Any) -> str:
    """A function by its name and the whole file that it stands in, so that an edited helper is noticed too."""
    function = inspect.unwrap(getattr(function, "func", function))
    name = getattr(function, "__qualname__", type(function).__qualname__)
    try:
        source = inspect.getsourcefile(function)
        text = Path(source).read_text(encoding="utf-8") if source else ""
    except (TypeError, OSError):
        text = ""
    return f"{name}:{hashlib.sha256(text.encode()).hexdigest()}"
