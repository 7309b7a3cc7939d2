"""The page cache: brings files into it, puts them out of it, and says how much of them it holds."""

import ctypes
import mmap
import os
from collections.abc import Iterable
from pathlib import Path

BLOCK_BYTES = 16 * 2**20
LIBC = ctypes.CDLL(None, use_errno=True)


def warm(paths: Iterable[Path]) -> None:
    """Read all files once."""
    buffer = bytearray(BLOCK_BYTES)
    for path in paths:
        with path.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass


def drop(paths: Iterable[Path]) -> None:
    """Put files out of the cache; what a process has mapped stays."""
    os.sync()  # pages that wait to be written cannot be dropped
    for path in paths:
        with path.open("rb", buffering=0) as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def resident(paths: Iterable[Path]) -> int:
    """Bytes of files that the cache holds, in whole pages."""
    return sum(_resident(path) for path in paths)


def _resident(path: Path) -> int:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            return 0
        # A private mapping can be asked for its address; nothing is written to it.
        with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_COPY) as mapping:
            start = (ctypes.c_char * size).from_buffer(mapping)
            pages = -(-size // mmap.PAGESIZE)
            found = (ctypes.c_ubyte * pages)()
            try:
                if LIBC.mincore(ctypes.byref(start), ctypes.c_size_t(size), found):
                    raise OSError(ctypes.get_errno(), "mincore", str(path))
            finally:
                del start
            # The lowest bit counts; the others are for the kernel's later use.
            return bytes(found).translate(LOWEST_BIT).count(1) * mmap.PAGESIZE


LOWEST_BIT = bytes(value & 1 for value in range(256))
