"""What a user does wrong ends in a condition with a reason that `kubectl describe` shows, and can be mended."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.installation import Place, manifest

pytestmark = pytest.mark.cluster

SECONDS = 300


def stalled(place: Place, name: str, *words: str) -> str:
    """The reason of the stall, once it is there; the description has these words."""
    place.wait(name, "Stalled", SECONDS)
    told = place.describe(name)
    for word in words:
        assert word in told, told
    found = place.read(name).status
    assert found is not None
    assert found.stalled is not None
    assert found.phase == "Stalled"
    return found.stalled.reason


def impatient(name: str) -> dict[str, Any]:
    """A small search whose pods may wait ten seconds only."""
    document = manifest(name)
    for stage in ("merger", "evaluator"):
        document["spec"][stage]["pendingDeadlineSeconds"] = 10
    return document


def test_an_image_that_nobody_serves(place: Place) -> None:
    document = impatient("broken-image")
    document["spec"]["merger"]["image"] = "localhost/mergesearch/no-such-image:1"
    place.apply(document)
    reason = stalled(place, "broken-image", "localhost/mergesearch/no-such-image:1", "cannot be pulled")
    assert reason == "ImageUnavailable"


def test_a_claim_that_is_not_there(place: Place) -> None:
    document = impatient("no-claim")
    document["spec"]["storage"]["checkpoints"]["persistentVolumeClaim"]["claimName"] = "forgotten"
    place.apply(document)
    assert stalled(place, "no-claim", 'persistentvolumeclaim "forgotten" not found') == "VolumeUnavailable"


def test_a_checkpoint_that_is_not_there_is_found_by_the_preflight(place: Place) -> None:
    document = manifest("no-checkpoint")
    document["spec"]["checkpoints"][0]["path"] = "forgotten"
    place.apply(document)
    assert stalled(place, "no-checkpoint", "forgotten") == "CheckpointMissing"
    # The other half of the preflight comes to its end, so that all findings are told at once.
    place.wait_until("no-checkpoint", lambda search: search.status is not None and not search.status.launches, 120)
    assert place.pods("PreflightTasks") == []


def test_a_volume_that_is_full_stalls_with_numbers_and_goes_on_when_there_is_room(small_disk: Place) -> None:
    small_disk.apply(
        manifest("full", maxEvaluations=2, algorithm={"cmaes": {"populationSize": 2}}, baselines=["Uniform"])
    )
    small_disk.wait_until("full", lambda search: search.status is not None and not search.status.preflight_due, SECONDS)
    rubbish = small_disk.workspace / "rubbish"
    fill(rubbish)
    assert stalled(small_disk, "full", "NoSpace") == "StorageFull"
    # Whoever writes first finds it: the merger, which asks for room before it writes, or the evaluator.
    told = small_disk.describe("full")
    assert "0 bytes are free" in told or "No space left" in told
    rubbish.unlink()
    small_disk.patch("full", {"retry": "more room"})
    small_disk.wait("full", "Complete", 900)


def fill(file: Path) -> None:
    """Write until nothing more fits."""
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as rubbish:
        while True:
            rubbish.write(bytes(65536))


@pytest.fixture
def small_disk(place: Place) -> Iterator[Place]:
    """A workspace on a disk of its own."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m,mode=777", "tmpfs", str(place.workspace)]
    subprocess.run(mount, check=True)
    yield place
    subprocess.run(["umount", "--lazy", str(place.workspace)], check=True)
