"""The operator is killed at every numbered point of a search: nothing is lost, and nothing happens twice."""

import itertools
from collections import Counter
from dataclasses import dataclass, field

import pytest

from support.api_proxy import Call, Fault
from support.history import history
from support.operator_bed import Bed, undisturbed
from support.operator_process import OperatorProcess

MOST_LIVES = 400


@dataclass
class Killer:
    """Ends each operator at one of its first writes."""

    at: tuple[int, str]
    """Number of the write since the start, and whether `before` or `after` the API server has it."""
    operator: OperatorProcess | None = None
    lived: int = 0
    """Writes of the present operator."""
    killed: list[Call] = field(default_factory=list)

    def plan(self, call: Call) -> Fault | None:
        self.lived += call.write > 0
        number, when = self.at
        if not call.write or self.lived != number:
            return None
        self.killed.append(call)
        assert self.operator is not None
        kill = self.operator.signal_kill
        return Fault(before=kill) if when == "before" else Fault(after=kill)


EVERY_WRITE = {"PUT mergesearches/status", "POST jobs", "DELETE jobs"}


# Each life has one write. What is killed before its second one has read the answer to the first, and all that it reads
# until then; its first write after that is the next one of the search, so each write is met in both ways.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("at", "kinds"),
    [((1, "after"), EVERY_WRITE), ((2, "before"), EVERY_WRITE - {"PUT mergesearches/status"})],
    ids=["before-the-answer", "after-the-answer"],
)
def test_an_operator_that_dies_at_each_of_its_writes_loses_and_repeats_nothing(
    bed: Bed, at: tuple[int, str], kinds: set[str]
) -> None:
    kubelet = bed.kubelet()
    killer = Killer(at)
    proxy = bed.proxy(killer.plan)
    killer.operator = operator = bed.behind(proxy, resync_seconds="5")
    uid = bed.create()

    def over() -> bool:
        return bed.status().completion_time is not None and not bed.jobs()

    for _ in range(MOST_LIVES):
        killer.lived = 0
        operator.start()
        bed.wait(lambda: not operator.alive or over())
        operator.kill()
        if over():
            break
    expected, calm = undisturbed()
    assert history(bed.until_complete()) == expected
    assert sorted(kubelet.world(uid).written) == sorted(calm.written)
    ran = Counter(name.rsplit("-", 1)[0] for name, _ in kubelet.ended)
    assert kinds <= {f"{call.verb} {call.resource}" for call in killer.killed}
    assert len(ran) == bed.status().next_launch - 1
    assert set(ran.values()) == {1}, "each launch has run once"
    attempts = [record.attempt for record in itertools.chain(bed.status().candidates, bed.status().baselines)]
    assert set(attempts) == {1}, "a kill of the operator is no failure of a candidate"
