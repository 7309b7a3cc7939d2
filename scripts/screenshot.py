"""Take the picture of the report in docs/ from the page of the demo: `make demo screenshot`."""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from support import browser  # noqa: E402 -- the tests know the browser, and are no package

WIDTH = 1100
LAST = ".together"
"""What is still seen: the drawings of the pairs of tasks."""


def main() -> None:
    """Read the arguments and write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", nargs="?", type=Path, default=ROOT / ".demo" / "report.html")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "images" / "report.png")
    given = parser.parse_args()
    given.output.parent.mkdir(exist_ok=True)
    with browser.launched() as running, browser.visit(running, given.page.resolve(), WIDTH) as visit:
        box = visit.page.locator(LAST).bounding_box()
        assert box is not None, "the page has no drawings yet"
        visit.page.set_viewport_size({"width": WIDTH, "height": round(box["y"] + box["height"]) + 8})
        visit.page.screenshot(path=given.output)
    sys.stdout.write(f"{given.output}: {given.output.stat().st_size:,} bytes\n")


if __name__ == "__main__":
    main()
