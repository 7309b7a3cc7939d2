"""What a resident process keeps from one request to the next: the loaded tasks and one engine.

An engine is kept while its settings are the next request's, and the next model differs from the last in the values of
its weights alone: the same tensors, configuration and tokenizer. Anything else starts another one.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from mergesearch import contract
from mergesearch.contract import Engine
from mergesearch.errors import MergeSearchError
from mergesearch.worker import Progress
from mergesearch_evaluator.engines import failures
from mergesearch_evaluator.engines.base import LoadedEngine
from mergesearch_evaluator.folders import ModelFolder

if TYPE_CHECKING:
    from mergesearch_evaluator.catalog import LoadedTask

Result = TypeVar("Result")


@dataclass
class Running:
    """The engine that is up."""

    key: str
    engine: LoadedEngine
    prompt_tokens: dict[str, int] = field(default_factory=dict)
    """Tokens of the prompts counted so far: they recur with every candidate."""


class Resident:
    """At most one engine, and the tasks of earlier requests."""

    def __init__(self, start: Callable[[Engine, ModelFolder], LoadedEngine]) -> None:
        self._start = start
        self._running: Running | None = None
        self.tasks: dict[str, Sequence[LoadedTask]] = {}
        """By what they were loaded for."""

    def ready(self, settings: Engine, folder: ModelFolder, progress: Progress) -> Running:
        """An engine with the weights of the folder. Raises MergeSearchError."""
        key = _key(settings, folder)
        if self._running is not None and self._running.key == key:
            running = self._running
            self._or_close(lambda: running.engine.swap(folder), failures.in_use)
            return running
        self.close()
        progress(f"starting {settings.backend}")
        began = time.monotonic()
        engine = self._or_close(lambda: self._start(settings, folder), failures.at_start)
        progress(f"{settings.backend} is up after {time.monotonic() - began:.1f} s")
        self._running = Running(key, engine)
        return self._running

    def use(self, act: Callable[[], Result]) -> Result:
        """Do something with the engine; what it raises may have broken the engine, so that goes.

        Raises MergeSearchError, or what `act` raised where that is no fault of the engine.
        """
        try:
            return act()
        except MergeSearchError:
            raise
        except Exception as error:
            self.close()
            if failures.is_out_of_memory(error) or "engine" in type(error).__name__.lower():
                raise failures.in_use(error) from error
            raise

    def close(self) -> None:
        """Shut the engine down, if one is up."""
        running, self._running = self._running, None
        if running is not None:
            running.engine.close()

    def _or_close(self, act: Callable[[], Result], judge: Callable[[Exception], MergeSearchError]) -> Result:
        """The border to the backends: every error of theirs becomes one of ours, and leaves no engine behind."""
        try:
            return act()
        except MergeSearchError:
            self.close()
            raise
        except Exception as error:
            self.close()
            raise judge(error) from error


def _key(settings: Engine, folder: ModelFolder) -> str:
    return contract.digest(
        settings.backend, settings.dtype, settings.seed, settings.batch_size, settings.engine_args, folder.layout
    )
