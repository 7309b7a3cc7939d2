"""Asks the system to begin with bringing written bytes to the disk, so that little is left for fsync to wait for.

`sync_file_range` (Linux; glibc and musl) starts the writing of dirty pages and waits for nothing; it promises nothing
either: fsync alone does. Where it is missing, nothing happens. Python's `os` does not have it.
"""

import ctypes
from collections.abc import Callable

START_WRITING = 2
"""SYNC_FILE_RANGE_WRITE of linux/fs.h."""


def _find() -> Callable[[int, int, int, int], int] | None:
    try:
        function = ctypes.CDLL(None, use_errno=True).sync_file_range
    except (OSError, AttributeError):
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
    function.restype = ctypes.c_int
    found: Callable[[int, int, int, int], int] = function
    return found


_FUNCTION = _find()


def start(descriptor: int, offset: int, size: int) -> None:
    """Begin to write this range of a file to the disk. An error here would be one of fsync again."""
    if _FUNCTION is not None:
        _FUNCTION(descriptor, offset, size, START_WRITING)
