"""The Chromium of this machine, as the tests of pages drive it: without a window, without a network."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

VARIABLE = "CHROMIUM"
"""Path of the browser, where it is none of NAMES."""
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MISSING = f"the tests of the report need a Chromium: `apt-get install chromium`, or set {VARIABLE} to the path of one"
Scheme = Literal["light", "dark"]


def executable() -> str:
    """Where the browser is. Raises RuntimeError: tests that nobody runs are worth nothing, so they fail without it."""
    chosen = os.environ.get(VARIABLE) or next((found for name in NAMES if (found := shutil.which(name))), None)
    if chosen is None:
        raise RuntimeError(MISSING)
    return chosen


@contextmanager
def launched() -> Iterator[Browser]:
    """A browser without a window; without its sandbox, which root cannot have and our own pages do not need."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable(), chromium_sandbox=False)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visit:
    """A page that is open, and what the browser had to say about it."""

    page: Page
    said: list[str] = field(default_factory=list)
    """Console messages and errors."""
    asked: list[str] = field(default_factory=list)
    """Addresses of requests."""


@contextmanager
def visit(browser: Browser, file: Path, width: int = 1200, scheme: Scheme = "light") -> Iterator[Visit]:
    """Open a file as on a screen of this width."""
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, accept_downloads=True, offline=True
    )
    try:
        found = Visit(context.new_page())
        found.page.on("console", lambda message: found.said.append(message.text))
        found.page.on("pageerror", lambda error: found.said.append(str(error)))
        found.page.on("request", lambda request: found.asked.append(request.url))
        found.page.goto(file.as_uri())
        yield found
    finally:
        context.close()
