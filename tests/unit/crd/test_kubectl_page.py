"""docs/kubectl.md says what every word means that kubectl shows."""

import re
from pathlib import Path
from typing import get_args

import pytest

from mergesearch.api.status import Condition, Phase
from mergesearch.crd import definition

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "kubectl.md").read_text()
WORDS = {
    "column": [str(column["name"]).upper() for column in definition.COLUMNS],
    "phase": [str(phase) for phase in Phase],
    "condition": list(get_args(Condition.model_fields["type"].annotation)),
}


@pytest.mark.parametrize("kind", WORDS)
def test_the_page_has_a_line_for_every_word(kind: str) -> None:
    table = PAGE.partition(f"| {kind} |")[2].partition("\n\n")[0]
    assert WORDS[kind]
    assert sorted(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == sorted(WORDS[kind])
