"""Searches in mid-run as a release has left them, which every later release has to read and to bring to their end.

`cd tests && python -m unit.operator.golden_statuses` adds the moments of this release that are not kept yet, made by
real steps of the core. What is kept is never written again: searches of that release look like this for good.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import MergeSearchStatus, RecordState, Stage
from mergesearch.contract import REPORT, REQUEST, Failure, ReadRequest, Request, Split
from mergesearch.lifecycle import requests
from mergesearch.lifecycle.children import children
from mergesearch.lifecycle.requests import OfRecords
from mergesearch.lifecycle.step import Waiting
from mergesearch.reasons import Reason
from mergesearch_operator import resources
from mergesearch_operator.manifests import job
from unit.lifecycle.world import Bench, End, Faults, Process, World, faults, resource, scored

FOLDER = Path(__file__).parents[2] / "data" / "statuses"
POPULATION = 4
Document = dict[str, Any]


def landscape(weights: tuple[float, ...], task: str, split: Split) -> float:
    """What a task says of a merge. Never changed: the vectors that were kept rest on it."""
    best = {"a": 0.25, "b": 0.5, "h": 0.75}[task]
    return 0.875 - (weights[0] - best) ** 2 - (0.0625 if split == "unseen" else 0.0)


def begun() -> Bench:
    """A short search that has every stage; a process is lost on the way, and a candidate is invalid."""
    searched = resource(
        checkpoints=2,
        search={
            "maxEvaluations": 2 * POPULATION,
            "parallelism": 2,
            "algorithm": {"cmaes": {"populationSize": POPULATION}},
            "confirm": {"finalists": 1},
        },
        storage={"maxPending": 2},
    )
    return Bench(searched, World(landscape=landscape), faults=trouble())


def trouble() -> Faults:
    """What goes wrong on the way."""
    invalid = Failure(reason=Reason.NON_FINITE_WEIGHTS, message="model.norm.weight has 2 numbers that are not finite")
    always = faults((Stage.MERGE, "c0003", End(code=65, failure=invalid)))
    lost = End(code=137, reason=Reason.PROCESS_DIED, message="the container ended with code 137 and said nothing")
    once = faults((Stage.EVALUATE, "c0002", lost), times=1)
    return lambda child: always(child) or once(child)


# --- Moments ---


def _runs(*stages: Stage) -> Callable[[MergeSearchStatus], bool]:
    return lambda status: set(stages) <= {launch.stage for launch in status.launches}


def _preflight(bench: Bench) -> None:
    bench.until(_runs(Stage.PREFLIGHT_CHECKPOINTS, Stage.PREFLIGHT_TASKS))


def _baselines(bench: Bench) -> None:
    bench.until(lambda status: _runs(Stage.EVALUATE)(status) and any(record.ended for record in status.baselines))


def _searching(bench: Bench) -> None:
    def so(status: MergeSearchStatus) -> bool:
        failed = any(record.state is RecordState.FAILED for record in status.candidates)
        tried_again = any(record.attempt > 1 for record in status.candidates)
        open_still = sum(not record.ended for record in status.candidates) > 1
        return (
            failed and tried_again and open_still and scored(status, 1) and _runs(Stage.MERGE, Stage.EVALUATE)(status)
        )

    bench.until(so)


def _suspended(bench: Bench) -> None:
    _searching(bench)
    bench.edit(suspend=True, suspend_policy="Now")
    bench.rest()


def _stalled(bench: Bench) -> None:
    """In the second generation: what has failed in one that is still open gets another chance by a retry."""
    bench.until(lambda status: len(status.candidates) > POPULATION and scored(status, POPULATION))
    wrong = End(code=64, reason=Reason.CHECKPOINT_CHANGED, message="m-0: other bytes than the preflight has seen")
    bench.faults = faults((Stage.MERGE, None, wrong))
    bench.until(lambda status: status.stalled is not None and not status.launches)


def _reading(bench: Bench) -> None:
    """In the second generation; the pod of an evaluation was gone before anybody could read what it said."""
    bench.until(lambda status: len(status.candidates) > POPULATION and _runs(Stage.EVALUATE)(status))
    process = next(p for p in bench.processes.values() if p.child.launch.stage is Stage.EVALUATE)
    process.start(bench.world, bench.now)
    bench.finish(process)
    process.hide(bench.world, pointer=False)
    bench.until(_runs(Stage.READ))


def _confirming(bench: Bench) -> None:
    bench.until(lambda status: any(launch.split == "unseen" for launch in status.launches))


def _comparing(bench: Bench) -> None:
    bench.until(_runs(Stage.COMPARE))


def _complete(bench: Bench) -> None:
    bench.rest()


def _held(bench: Bench, stage: Stage, waiting: Waiting, *, made: bool) -> None:
    """In the second generation: what is to start does not."""
    bench.until(lambda status: len(status.candidates) > POPULATION and _runs(stage)(status))
    for process in bench.processes.values():
        if process.child.launch.stage is stage:
            process.waiting, process.made = waiting, made
    bench.step()


def _waiting(bench: Bench) -> None:
    image = "not started after pendingDeadlineSeconds = 1800: the image example.org/evaluator:1 cannot be pulled"
    _held(bench, Stage.EVALUATE, Waiting(Reason.IMAGE_UNAVAILABLE, image, overdue=True), made=True)


def _blocked(bench: Bench) -> None:
    quota = "exceeded quota: gpus, requested: requests.nvidia.com/gpu=1, used: requests.nvidia.com/gpu=7"
    _held(bench, Stage.MERGE, Waiting(Reason.FORBIDDEN, quota), made=False)


def _better(bench: Bench) -> None:
    """A baseline is the better choice on the unseen samples."""
    bench.world.gains = {"uniform": -0.02}
    bench.rest()


MOMENTS: dict[str, Callable[[Bench], None]] = {
    "preflight": _preflight,
    "baselines": _baselines,
    "searching": _searching,
    "suspended": _suspended,
    "stalled": _stalled,
    "reading": _reading,
    "confirming": _confirming,
    "comparing": _comparing,
    "complete": _complete,
    "waiting": _waiting,
    "blocked": _blocked,
    "better": _better,
}
COMPLETE = "complete"


# --- Kept ---


def releases() -> list[str]:
    """All that something is kept of."""
    return sorted(folder.name for folder in FOLDER.iterdir())


def kept(release: str) -> list[str]:
    """The moments of a release."""
    return sorted(path.stem for path in (FOLDER / release).glob("*.json"))


def read(release: str, moment: str) -> Document:
    """What was kept: `resource`, as the API server would hold it, `now`, `children` that are on their way, and what
    lies on the `workspace`.
    """
    document: Document = json.loads((FOLDER / release / f"{moment}.json").read_text())
    return document


def hashes(request: Request) -> list[str]:
    """What the reports to a request have to say that they answer."""
    if isinstance(request, ReadRequest):
        return sorted(request.answers)
    return [*requests.hashes_of(request).values()] if isinstance(request, OfRecords) else [request.hash()]


def _held_up(process: Process) -> Document:
    """Why a child does not start, where that is so."""
    waiting = process.waiting
    if waiting is None:
        return {}
    facts = {"reason": waiting.reason, "message": waiting.message, "overdue": waiting.overdue}
    return {"waiting": facts, "made": process.made}


def kept_of(bench: Bench) -> Document:
    """A bench as it is kept."""
    made = bench.resource.to_document()
    world = bench.world
    published = {
        path: [json.loads(report.model_dump_json()) for report in reports] for path, reports in world.published.items()
    }
    return {
        "now": bench.now.isoformat(),
        "resource": {**made, "status": resources.stored(bench.status)},
        "children": [
            {
                "name": process.child.name,
                "request": json.loads(process.child.request.model_dump_json()),
                "hashes": hashes(process.child.request),
                "digest": job.request_digest(process.child),
                **_held_up(process),
            }
            for process in bench.processes.values()
        ],
        "workspace": {"merges": world.merges, "shaky": sorted(world.shaky), "published": published},
    }


def restored(document: Document) -> Bench:
    """The bench of this release that goes on from there. What runs was asked by the old release, in its own words."""
    found = MergeSearch.model_validate(document["resource"])
    assert found.status is not None
    workspace = document["workspace"]
    world = World(
        landscape=landscape,
        merges={name: (merge, tuple(weights)) for name, (merge, weights) in workspace["merges"].items()},
        shaky=set(workspace["shaky"]),
        published={
            path: tuple(REPORT.validate_python(report) for report in reports)
            for path, reports in workspace["published"].items()
        },
    )
    bench = Bench(found, world, trouble(), status=found.status, now=datetime.fromisoformat(document["now"]))
    asked = {child["name"]: REQUEST.validate_python(child["request"]) for child in document["children"]}
    for child in children(found, found.status):
        if child.name in asked:
            process = Process(replace(child, request=asked[child.name]))
            held = next(one for one in document["children"] if one["name"] == child.name)
            if "waiting" in held:
                facts = held["waiting"]
                process.waiting = Waiting(Reason(facts["reason"]), facts["message"], facts["overdue"])
                process.made = held["made"]
            bench.processes[child.launch.number] = process
    return bench


def main() -> None:
    folder = FOLDER / version("mergesearch")
    folder.mkdir(parents=True, exist_ok=True)
    for name, reach in MOMENTS.items():
        path = folder / f"{name}.json"
        if path.exists():
            continue
        bench = begun()
        reach(bench)
        path.write_text(json.dumps(kept_of(bench), indent=1) + "\n")
        print(f"{path}: {bench.status.phase}, {len(bench.processes)} children")


if __name__ == "__main__":
    main()
