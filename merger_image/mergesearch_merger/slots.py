"""Memory that goes round between the threads of a merge: one unit at a time, with its inputs and its outputs."""

from dataclasses import dataclass, field

from mergesearch_merger.layout import OutputTensor
from mergesearch_merger.plan import Read, Unit


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was found: `elements` of `tensor` from number `first` on, at byte `offset` of shard `shard`."""

    shard: int
    offset: int
    tensor: OutputTensor
    first: int
    elements: int


@dataclass(frozen=True, slots=True)
class NotFinite:
    """So many elements of one candidate, in one place, are not numbers."""

    candidate: int
    place: Place
    nans: int
    infinite: int


@dataclass(slots=True)
class Slot:
    """One unit on its way from the readers over the workers to the writers. The memory stays, the unit changes."""

    memory: memoryview
    unit: Unit | None = None
    not_finite: list[NotFinite] = field(default_factory=list)
    unequal: list[tuple[int, str]] = field(default_factory=list)
    """Buffers, by candidate and name, that differ between the candidate's inputs."""

    def take(self, unit: Unit) -> None:
        """Begin with another unit."""
        self.unit = unit
        self.not_finite.clear()
        self.unequal.clear()

    @property
    def held(self) -> Unit:
        """The unit that is on its way."""
        assert self.unit is not None
        return self.unit

    def read_into(self, read: Read) -> memoryview:
        """Where these bytes are to be read to."""
        return self.memory[read.at : read.at + read.size]

    def output(self, candidate: int) -> memoryview:
        """The unit's bytes in the output of one candidate."""
        unit = self.held
        begin = unit.input_bytes + candidate * unit.output_bytes
        return self.memory[begin : begin + unit.end - unit.begin]
