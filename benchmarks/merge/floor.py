"""The floor under any merge: reads all inputs once and writes as many outputs of a model's size, and does nothing else.

    python -I -S floor.py [--copies K] [--threads T] [--no-sync] OUT INPUT...

Large blocks, preallocated files, every output synced at its end, as the merger does. Standard library only.
"""

import argparse
import mmap
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

BLOCK_BYTES = 16 * 2**20
Block = tuple[list[int], int, int, int]
"""Descriptors of the inputs, place in them, place in the outputs, length."""


class Floor:
    """Threads that take block after block."""

    def __init__(self, inputs: Sequence[Path], out: Path, copies: int) -> None:
        files = [sorted(folder.glob("*.safetensors")) for folder in inputs]
        self._shards = [[os.open(path, os.O_RDONLY) for path in paths] for paths in zip(*files, strict=True)]
        for descriptor in (one for shard in self._shards for one in shard):
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_SEQUENTIAL)
        self._sizes = [os.fstat(shard[0]).st_size for shard in self._shards]
        self._outputs = [
            os.open(out / f"{number}.bin", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644) for number in range(copies)
        ]
        for output in self._outputs:
            os.posix_fallocate(output, 0, sum(self._sizes))
        self._lock = threading.Lock()
        self._blocks = self._all_blocks()

    def run(self, threads: int, *, sync: bool) -> None:
        """Read and write all blocks."""
        with ThreadPoolExecutor(threads) as pool:
            for ended in [pool.submit(self._work) for _ in range(threads)]:
                ended.result()
        if sync:
            for output in self._outputs:
                os.fsync(output)

    def _all_blocks(self) -> Iterator[Block]:
        begin = 0
        for shard, size in zip(self._shards, self._sizes, strict=True):
            for place in range(0, size, BLOCK_BYTES):
                yield shard, place, begin + place, min(BLOCK_BYTES, size - place)
            begin += size

    def _work(self) -> None:
        buffer = memoryview(mmap.mmap(-1, BLOCK_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
        while True:
            with self._lock:
                block = next(self._blocks, None)
            if block is None:
                return
            shard, place, target, length = block
            for descriptor in shard:
                _read(descriptor, buffer[:length], place)
            for output in self._outputs:
                _write(output, buffer[:length], target)


def _read(descriptor: int, part: memoryview, place: int) -> None:
    done = 0
    while done < len(part):
        moved = os.preadv(descriptor, [part[done:]], place + done)
        if moved == 0:
            raise EOFError("an input is shorter than that of the first model")
        done += moved


def _write(descriptor: int, part: memoryview, place: int) -> None:
    done = 0
    while done < len(part):
        done += os.pwrite(descriptor, part[done:], place + done)


def main() -> None:
    """Leave the outputs in OUT."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--copies", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-sync", action="store_true")
    parser.add_argument("out", type=Path)
    parser.add_argument("inputs", type=Path, nargs="+")
    arguments = parser.parse_args()
    arguments.out.mkdir()
    Floor(arguments.inputs, arguments.out, arguments.copies).run(arguments.threads, sync=not arguments.no_sync)


if __name__ == "__main__":
    main()
