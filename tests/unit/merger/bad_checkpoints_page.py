"""Renders docs/bad-checkpoints.md from the table of bad checkpoints: every message is what the merger really says.

`PYTHONPATH=tests python -m unit.merger.bad_checkpoints_page` writes it.
"""

import re
import tempfile
from pathlib import Path

from unit.merger import scenes
from unit.merger.bad_checkpoints import CASES, PREFLIGHT, Case

PAGE = Path(__file__).resolve().parents[3] / "docs" / "bad-checkpoints.md"
INTRODUCTION = """# Bad checkpoints and volumes

What the merger answers when a checkpoint, a volume or a request is wrong, in its own words. `preflight` means that the
message stands in the preflight's report, before anything expensive starts; the others cannot be known from headers, or
are not the preflight's to see. The exit code is the merge's. Nothing is left behind by any of them. In the scene behind
these messages, three small checkpoints lie in the folders a, b and c of the volume `checkpoints`.

Generated from `tests/unit/merger/bad_checkpoints.py` by `make generate`.

| Somebody ... | Reason | Exit | First seen by | Message |
|---|---|---|---|---|
"""


def render() -> str:
    """The text of the page."""
    return INTRODUCTION + "".join(_row(case) for case in CASES.values())


def _row(case: Case) -> str:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve() / "volumes"
        scene = scenes.a_scene(root)
        answered = (scene := case.spoil(scene) or scene).ask(scene.request())
        message = _normal(answered.exit.message, root)
    seen = "preflight" if PREFLIGHT in case.seen_by else "merge"
    return f"| {case.did} | `{answered.exit.reason}` | {answered.exit.code} | {seen} | {message} |\n"


def _normal(message: str, root: Path) -> str:
    """Without what differs from machine to machine, on one line of a table."""
    message = message.replace(str(root), "/volumes")
    message = re.sub(r"\b[0-9a-f]{64}\b", "(SHA-256)", message)
    message = re.sub(r"\b\d{4}-\d\d-\d\dT[\d:]{8}Z", "(time)", message)
    message = re.sub(r"\n\s*For further information visit \S+", "", message)
    return message.replace("|", "\\|").replace("<", "&lt;").replace("\n", "<br>")


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
