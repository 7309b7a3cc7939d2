"""What the rest of the evaluator knows of an engine. Imports no framework."""

from typing import Any, Protocol

from mergesearch_evaluator.folders import ModelFolder


class LoadedEngine(Protocol):
    """A model that is ready to answer, and takes the weights of others of the same layout."""

    @property
    def model(self) -> Any:
        """lm-eval's `LM`; another object after `swap` is possible."""

    def swap(self, folder: ModelFolder) -> None:
        """Take the weights of another folder with an equal layout, and forget what was computed with the old ones.

        Raises whatever the backend raises; the engine must then be closed.
        """

    def close(self) -> None:
        """Give back memory and processes."""
