"""System calls that a merge makes beside reading and writing, as an object that can be handed in; Linux.

Two of them Python's `os` does not have, so they are looked up in the C library (glibc and musl):

fallocate         gives a file its length and its place on the disk. Where the file system cannot do that,
                  `os.posix_fallocate` writes a byte to every block, which on a network takes as long as the merge.
sync_file_range   begins to bring written pages to the disk and waits for nothing; fsync has less to wait for then.
"""

import ctypes
import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

START_WRITING = 2
"""SYNC_FILE_RANGE_WRITE of linux/fs.h."""
CANNOT_ALLOCATE = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)
"""What file systems answer that cannot allocate ahead."""


def _function(name: str, *arguments: type) -> Callable[..., int] | None:
    try:
        found = getattr(ctypes.CDLL(None, use_errno=True), name)
    except (OSError, AttributeError):
        return None
    found.argtypes, found.restype = arguments, ctypes.c_int
    function: Callable[..., int] = found
    return function


_FALLOCATE = _function("fallocate", ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
_SYNC_FILE_RANGE = _function("sync_file_range", ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)


def fallocate(descriptor: int, size: int) -> None:
    """Give a file `size` bytes. Raises OSError, also where the file system cannot."""
    if _FALLOCATE is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if size and _FALLOCATE(descriptor, 0, 0, size) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def start_writing(descriptor: int, offset: int, size: int) -> None:
    """Begin to write this range of a file to the disk. An error here would be one of fsync again."""
    if _SYNC_FILE_RANGE is not None:
        _SYNC_FILE_RANGE(descriptor, offset, size, START_WRITING)


@dataclass(frozen=True, slots=True)
class System:
    """The calls."""

    fallocate: Callable[[int, int], None] = fallocate
    start_writing: Callable[[int, int, int], None] = start_writing
    advise: Callable[[int, int, int, int], None] = os.posix_fadvise
    fsync: Callable[[int], None] = os.fsync
    link: Callable[[Path, Path], None] = os.link

    def allocate(self, descriptor: int, size: int) -> None:
        """Give a file its length, and its place on the disk where the file system can. Raises OSError."""
        try:
            self.fallocate(descriptor, size)
        except OSError as error:
            if error.errno not in CANNOT_ALLOCATE:
                raise
            os.ftruncate(descriptor, size)

    def forget(self, descriptor: int, offset: int = 0, size: int = 0) -> None:
        """Leave nothing of a range of a file, or of all of it, in the page cache."""
        self.advise(descriptor, offset, size, os.POSIX_FADV_DONTNEED)
