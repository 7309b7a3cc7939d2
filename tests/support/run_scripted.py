"""`mergesearch run` with the scripted evaluator, as a process that can be killed: MANIFEST STATE VOLUME..."""

import sys
from pathlib import Path

from rich.console import Console

import support
from mergesearch_cli import interrupts, running
from mergesearch_cli.runner import Commands
from mergesearch_cli.state import StateFolder

if __name__ == "__main__":
    manifest, state, *volumes = sys.argv[1:]
    scripted = Path(support.__file__).parent / "scripted_evaluator.py"
    commands = Commands(evaluator=(sys.executable, "-P", str(scripted)))
    with interrupts.as_keyboard_interrupt():
        sys.exit(running.run(Path(manifest), volumes, StateFolder(Path(state)), Console(width=160), commands=commands))
