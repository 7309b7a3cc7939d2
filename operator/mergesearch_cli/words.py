"""Numbers as people read them; pure."""

from mergesearch.api.resource import MergeSearch

UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def points(fraction: float) -> str:
    """A score as points of a hundred."""
    return f"{100 * fraction:.1f}"


def duration(seconds: float) -> str:
    """`42 s`, `3 min 10 s`, `5 h 12 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def size(count: float) -> str:
    """Bytes with a binary unit."""
    value, unit = float(count), UNITS[0]
    for unit in UNITS:  # noqa: B007 - the last unit stays
        if value < 1024:
            break
        value /= 1024
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


def scored(resource: MergeSearch) -> str:
    """`17 of 50`."""
    status = resource.status
    return f"{status.counts.scored if status is not None else 0} of {resource.spec.search.max_evaluations}"
