"""Threads that pass slots round: readers fill them, workers merge them, writers empty them, and so again.

The queues between the stages need no bounds of their own: no more waits in them than there are slots.
"""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from mergesearch_merger.plan import Unit
from mergesearch_merger.slots import Slot

WATCH_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Stage:
    """One of the things that happen to a slot, in so many threads. `begin` makes what one thread does to each."""

    name: str
    threads: int
    begin: Callable[[], Callable[[Slot], None]]


class Pipeline:
    """All stages; the first one takes the next unit before it begins with a slot."""

    def __init__(self, units: Iterator[Unit], slots: Sequence[Slot], stages: Sequence[Stage]) -> None:
        self._units = units
        self._stages = stages
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._errors: list[BaseException] = []
        self._alive = [stage.threads for stage in stages]
        self._queues: list[queue.SimpleQueue[Slot | None]] = [queue.SimpleQueue() for _ in stages]
        for slot in slots:
            self._queues[0].put(slot)

    def run(self, watch: Callable[[], None]) -> None:
        """Pass all units through all stages; `watch` is called now and then from this thread.

        Raises what a thread raised. When this thread is interrupted, the others end with the slot that they hold.
        """
        threads = [
            threading.Thread(target=self._work, args=(number,), name=f"{stage.name}-{count}")
            for number, stage in enumerate(self._stages)
            for count in range(stage.threads)
        ]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                while thread.is_alive():
                    thread.join(timeout=WATCH_SECONDS)
                    watch()
        finally:
            self._end()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
        first, self._errors = self._errors[:1], []
        if first:
            raise first.pop()  # kept nowhere: its traceback holds this frame, and so the slots

    def _work(self, number: int) -> None:
        try:
            handle = self._stages[number].begin()
            while (slot := self._next(number)) is not None:
                handle(slot)
                self._queues[(number + 1) % len(self._stages)].put(slot)
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that started this one
            self._errors.append(error)
            self._end()
        with self._lock:
            self._alive[number] -= 1
            last = self._alive[number] == 0
        if last and number + 1 < len(self._stages):
            self._queues[number + 1].put(None)

    def _next(self, number: int) -> Slot | None:
        """The next slot of a stage; None when there will be no more, which is left for the others to see."""
        slot = self._queues[number].get()
        if slot is not None and not self._stop.is_set() and (number > 0 or self._take(slot)):
            return slot
        self._queues[number].put(None)
        return None

    def _take(self, slot: Slot) -> bool:
        with self._lock:
            unit = next(self._units, None)
        if unit is None:
            return False
        slot.take(unit)
        return True

    def _end(self) -> None:
        self._stop.set()
        for line in self._queues:
            line.put(None)
