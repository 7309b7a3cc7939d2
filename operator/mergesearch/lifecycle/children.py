"""The children that ought to exist: one for each launch that the status holds; pure."""

from dataclasses import dataclass

from mergesearch.api.resource import MergeSearch
from mergesearch.api.status import Launch, MergeSearchStatus, Stage
from mergesearch.contract import MergeRequest, Request
from mergesearch.lifecycle import accounting, requests, roles

LETTERS = {
    Stage.PREFLIGHT_CHECKPOINTS: "p",
    Stage.PREFLIGHT_TASKS: "p",
    Stage.MERGE: "m",
    Stage.EVALUATE: "e",
    Stage.COMPARE: "c",
    Stage.READ: "r",
    Stage.CLEANUP: "x",
}


@dataclass(frozen=True)
class Child:
    """One process or Job that ought to exist."""

    name: str
    launch: Launch
    request: Request
    deadline_seconds: int
    """How long it may run once it has started."""
    gpus: int
    """Of all its processes."""

    @property
    def slices(self) -> int:
        """Processes that share the request."""
        return self.request.slices if isinstance(self.request, MergeRequest) else 1

    @property
    def evaluator(self) -> bool:
        """Whether the evaluator meets it, not the merger."""
        return self.launch.stage in roles.EVALUATOR_STAGES


def children(resource: MergeSearch, status: MergeSearchStatus) -> tuple[Child, ...]:
    """Every child that ought to exist, in the order of the launches; what else exists may be ended."""
    return tuple(child(resource, status, launch) for launch in status.launches)


def child(resource: MergeSearch, status: MergeSearchStatus, launch: Launch) -> Child:
    """The child of a launch that the status holds, with its whole request."""
    return Child(
        name=name(resource, launch),
        launch=launch,
        request=requests.request_of(resource, status, launch),
        deadline_seconds=roles.part_of(resource.spec, launch.stage).active_deadline_seconds,
        gpus=accounting.gpus_of(resource.spec, launch.stage),
    )


def name(resource: MergeSearch, launch: Launch) -> str:
    """Deterministic, and unique over resources that come and go under one name."""
    meta = resource.metadata
    return f"{meta.name}-{meta.uid[:5]}-{launch.number:05d}-{LETTERS[launch.stage]}"
