"""How several processes share a merge: each writes whole shards of the output. Pure."""

from collections.abc import Iterator

from mergesearch.errors import InvalidRequestError
from mergesearch.reasons import Reason
from mergesearch_merger import findings
from mergesearch_merger.layout import Layout


def shards(layout: Layout, index: int, count: int) -> frozenset[int]:
    """Numbers of the shards that slice `index` of `count` writes.

    A slice is a row of neighbours, so that the inputs are read from front to back; a shard belongs to the slice in
    which its middle byte lies. So no slice is larger than its fair share and one shard, and with fewer shards than
    slices some have nothing to do.
    """
    return frozenset(number for number, owner in enumerate(owners(layout, count)) if owner == index)


def owners(layout: Layout, count: int) -> Iterator[int]:
    """Of each shard, in order, the slice of `count` that writes it."""
    begin, total = 0, layout.size
    for shard in layout.shards:
        yield (2 * begin + shard.size) * count // (2 * total)
        begin += shard.size


def resolve(own: tuple[int, int | None] | None, wanted: int) -> tuple[int, int] | None:
    """This process's number and how many there are; None if it merges all. Raises InvalidRequestError where what it
    was told (`own`) does not fit the request, which wants so many.
    """
    if own is None or (own[1] is None and wanted == 1):
        return None
    index, said = own
    if said not in (None, wanted) or index >= wanted:
        told = str(index) if said is None else f"{index}/{said}"
        raise InvalidRequestError(
            f"slice {told}: the request is made for {findings.counted(wanted, 'slice')}",
            reason=Reason.MALFORMED_REQUEST,
        )
    return index, wanted
