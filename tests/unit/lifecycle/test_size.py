"""The largest statuses that the bounds allow stay below what etcd takes comfortably."""

import pytest

from mergesearch.api.status import MAX_STATUS_BYTES, Phase
from unit.lifecycle import largest


@pytest.mark.slow
@pytest.mark.parametrize(("checkpoints", "evaluations"), largest.SIZES, ids=["64 x 256", "32 x 500"])
def test_the_largest_status_stays_below_its_bound(checkpoints: int, evaluations: int) -> None:
    status = largest.bench(checkpoints, evaluations).rest()
    assert status.phase is Phase.COMPLETE
    size = len(status.to_stored())
    print(f"{checkpoints} x {evaluations}: {size} bytes")
    assert size < MAX_STATUS_BYTES
