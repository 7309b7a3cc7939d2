"""The process's environment: what has to be set before a heavy framework is imported. Imports none of them.

Every setting is a default: what the pod's template or the user's shell says wins. Whether the Hugging Face hub may be
asked (HF_HUB_OFFLINE, HF_DATASETS_OFFLINE) is left as it is.
"""

import importlib.metadata
import logging
import os
import platform
import tempfile
import warnings
from collections.abc import MutableMapping

from mergesearch_evaluator import sentences

DEFAULTS = {
    "TOKENIZERS_PARALLELISM": "false",
    # Seconds before a progress bar is shown: never.
    "TQDM_DELAY": "1e9",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "DATASETS_VERBOSITY": "error",
    "LMEVAL_LOG_LEVEL": "ERROR",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
    # A forked engine would inherit threads and signal handlers of this process.
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
    # The engine runs in this process: its errors arrive as they are, nothing is imported twice, and it cannot outlive
    # a process that is killed. An engine core in a process of its own does, and keeps the GPU's memory.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
}
HARMFUL = ("TQDM_DISABLE",)
"""vLLM divides by the time that its bar has been there; a disabled bar has no time, and the engine would die."""
USER_VARIABLES = ("LOGNAME", "USER", "LNAME", "USERNAME")
"""Asked by Python's getpass, in this order, before the system's list of users."""
NAMELESS = "mergesearch"
CPU_DEFAULTS = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
}
"""For a CPU build of vLLM."""
VERSIONED = ("mergesearch", "lm_eval", "datasets", "transformers", "torch", "vllm")
"""Distributions whose versions a report names, where they are installed."""


def prepare() -> None:
    """Set the defaults, and keep third-party chatter down to errors."""
    set_defaults(os.environ, cpu=vllm_is_for_cpu())
    find_a_home(os.environ)
    sentences.offer(os.environ)
    warnings.simplefilter("ignore")
    logging.basicConfig(level=logging.WARNING)
    logging.getLogger("lm_eval").setLevel(logging.ERROR)


def set_defaults(environment: MutableMapping[str, str], *, cpu: bool) -> None:
    """Set what is not set yet, and remove what would do harm."""
    for name, value in (DEFAULTS | (CPU_DEFAULTS if cpu else {})).items():
        environment.setdefault(name, value)
    for name in HARMFUL:
        environment.pop(name, None)


def find_a_home(environment: MutableMapping[str, str]) -> None:
    """Where the user has no home that can be written, as in a container with a read-only root, take the folder for
    temporary files: all libraries keep their caches below HOME unless they are told otherwise. And a user without a
    name gets one: torch names a cache after it, and fails where there is none.
    """
    home = environment.get("HOME", "")
    if not (home and os.access(home, os.W_OK | os.X_OK)):
        environment["HOME"] = tempfile.gettempdir()
    if not any(environment.get(name) for name in USER_VARIABLES):
        environment["USER"] = NAMELESS


def vllm_is_for_cpu() -> bool:
    """Whether the installed vLLM is its CPU build."""
    return "cpu" in _version("vllm")


def versions() -> dict[str, str]:
    """Versions of all that a score may depend on."""
    found = {name: _version(name) for name in VERSIONED}
    return {"python": platform.python_version()} | {name: version for name, version in found.items() if version}


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
