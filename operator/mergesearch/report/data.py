"""Every number of a report as a document of JSON values, for programs; pure.

Names are camelCase as in the resource, numbers are as the search has them: fractions, not points.
"""

import dataclasses
import json
from datetime import datetime
from enum import Enum
from typing import Any

from pydantic.alias_generators import to_camel

from mergesearch.report.findings import Findings
from mergesearch.report.shapes import Summary

DOCUMENT_VERSION = 1
"""Grows when a field changes its meaning."""


def document(summary: Summary, findings: Findings) -> dict[str, Any]:
    """The summary and its findings as plain dicts, lists, strings and numbers; what is unknown is None."""
    found: dict[str, Any] = _plain(summary)
    return {"version": DOCUMENT_VERSION, **found, "findings": _plain(findings)}


def text(summary: Summary, findings: Findings) -> str:
    """The document as JSON. The same summary and findings give the same text."""
    return json.dumps(document(summary, findings), allow_nan=False, indent=1, ensure_ascii=False) + "\n"


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {to_camel(field.name): _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, Enum):
        return value.value
    return value.isoformat() if isinstance(value, datetime) else value
