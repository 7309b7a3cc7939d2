"""An evaluator whose engine takes so long to start that somebody writes the checkpoint meanwhile.

`python overwriting.py --serve --volume NAME=DIR` stands for `mergesearch-evaluator`.
"""

import sys

from mergesearch import worker
from mergesearch.contract import Engine
from mergesearch_evaluator.engines.base import LoadedEngine
from mergesearch_evaluator.folders import ModelFolder
from mergesearch_evaluator.main import Evaluator, start_engine


def start_while_the_weights_are_written(settings: Engine, folder: ModelFolder) -> LoadedEngine:
    engine = start_engine(settings, folder)
    content = folder.weight_files[0].read_bytes()
    folder.weight_files[0].write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    return engine


if __name__ == "__main__":
    sys.exit(worker.run("overwriting", Evaluator(start_while_the_weights_are_written)))
