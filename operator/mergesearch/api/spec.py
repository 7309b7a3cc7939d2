"""What a user writes: the spec of a MergeSearch; pure.

"May change while the search runs" in a field's text marks the fields that an update may change; all others are
immutable. Checks that need more than one field are in `checks.py`.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, JsonValue, model_validator

from mergesearch.api import presets
from mergesearch.api.base import (
    ApiModel,
    Duration,
    FractionDecimal,
    Name,
    PositiveDecimal,
    RelativePath,
    ShortText,
    Size,
    TaskName,
)
from mergesearch.contract import Aggregate, Dtype

MAX_CHECKPOINTS = 64
MAX_TASKS = 8
MAX_EVALUATIONS = 500
MAX_PRODUCT = 16384
"""Of checkpoints and evaluations: bounds the size of the status."""
MAX_NAME = 40
"""Of the resource: the names of its children have to fit into 63 characters."""

Baseline = Literal["Checkpoints", "Uniform", "MergeBest", "Greedy"]
Mapping = dict[Annotated[str, Field(max_length=253)], Annotated[str, Field(max_length=1024)]]
PassedOn = Annotated[dict[str, JsonValue], Field(max_length=64)]
"""A part of a pod that is Kubernetes' own."""


def _filled_in(*names: str) -> Callable[[dict[str, Any]], None]:
    """These fields are required of a whole part, and a preset may fill them in: a schema cannot ask for them."""

    def relax(schema: dict[str, Any]) -> None:
        schema["required"] = [name for name in schema["required"] if name not in names]
        if not schema["required"]:
            del schema["required"]

    return relax


class CheckpointSource(ApiModel):
    """One input of the merge: a Hugging Face folder with safetensors weights."""

    name: Name
    """Name of the checkpoint in the weights, the tables and the report."""
    path: RelativePath
    """The folder inside the volume."""
    volume: Name = "checkpoints"
    """Volume that holds it: `checkpoints`, or one of `storage.volumes`."""


class ClaimReference(ApiModel):
    """A PersistentVolumeClaim of the search's namespace."""

    claim_name: ShortText
    """Name of the claim."""


class ClaimTemplate(ApiModel):
    """A claim that belongs to the search and is deleted with it."""

    size: Size
    """Capacity to ask for, such as `500Gi`."""
    storage_class_name: ShortText | None = None
    """Storage class; unset takes the cluster's default."""
    access_modes: tuple[Literal["ReadWriteOnce", "ReadWriteMany", "ReadWriteOncePod"], ...] = Field(
        default=("ReadWriteMany",), min_length=1, max_length=3
    )
    """Access modes; with ReadWriteOnce alone all pods of the search are kept on one node."""


class InputVolume(ApiModel):
    """A volume that is read only."""

    persistent_volume_claim: ClaimReference
    """The claim to mount."""


class WorkspaceVolume(ApiModel):
    """The volume that merged weights and reports are written to: exactly one of an existing claim and a template."""

    persistent_volume_claim: ClaimReference | None = None
    """An existing claim."""
    claim_template: ClaimTemplate | None = None
    """A claim made for this search."""


class NamedVolume(InputVolume):
    """A further volume that is read only, for checkpoints or tasks."""

    name: Name
    """The name by which checkpoints and task folders refer to it."""


class Storage(ApiModel):
    """Where checkpoints are read and merges are written, and how many merges stay."""

    checkpoints: InputVolume
    """Volume of the checkpoints; mounted read-only. On one machine `--volume checkpoints=DIR` takes its place."""
    workspace: WorkspaceVolume
    """Volume of the merges and reports. On one machine `--volume workspace=DIR` takes its place."""
    volumes: tuple[NamedVolume, ...] = Field(default=(), max_length=8)
    """Further volumes, read only."""
    keep_best: int = Field(default=1, ge=1, le=16)
    """Weights of this many best merges stay, unset 1; all others are removed once scored. May change while the search
    runs."""
    max_pending: int = Field(default=4, ge=1, le=64)
    """Merges on the volume that are not scored yet: mergers never outrun evaluators."""


class Merge(ApiModel):
    """The form of the merged model."""

    dtype: Dtype = "bfloat16"
    """Data type of the output; sums are taken in float32, for float32 outputs in float64."""
    max_shard_size: Size = "5Gi"
    """Largest file of the output."""
    tokenizer_from: Name | None = None
    """Checkpoint whose config, tokenizer and chat template the merges carry; unset takes the first."""
    skip_below: FractionDecimal = "0.001"
    """Weights below this are set to 0 and the others rescaled, which saves reading those checkpoints."""


class SampleRange(ApiModel):
    """Documents `start` to `stop` (exclusive) of a task, in the order of its file."""

    start: int = Field(ge=0)
    """First document."""
    stop: int = Field(ge=1)
    """One past the last document."""


class SampleRanges(ApiModel):
    """An explicit split, instead of the seeded one."""

    search: SampleRange
    """What the search sees."""
    unseen: SampleRange
    """What only the confirmation sees."""


class HeldOutTask(ApiModel):
    """A task of lm-eval, or a group of them, that the search never sees."""

    model_config = ConfigDict(json_schema_extra=_filled_in("name", "metric"))

    preset: presets.TaskPreset | None = None
    """A known task: fills in each of the other fields that is unset, but the weight. Without one, `name` and `metric`
    are required."""
    name: TaskName
    """Name of the task in lm-eval or in one of `evaluator.taskFolders`."""
    metric: ShortText
    """Metric of the task; higher must be better."""
    filter: ShortText = "none"
    """Filter pipeline of the task; unset takes the preset's, or `none`."""
    num_fewshot: int | None = Field(default=None, ge=0, le=64)
    """Examples in the prompt; unset takes the preset's, or leaves the task's own number."""
    chat_template: bool = False
    """Wrap prompts in the tokenizer's chat template; unset takes the preset's, or false."""
    unseen_samples: int | None = Field(default=None, ge=1, le=100000)
    """Samples that the confirmation scores: a seeded choice from those that the search does not see, from each of a
    group's tasks in proportion. Unset takes the preset's, or all of them."""

    @model_validator(mode="before")
    @classmethod
    def _whole(cls, given: Any) -> Any:
        return presets.held_out(given)


class ObjectiveTask(HeldOutTask):
    """A task of lm-eval, or a group of them, that the search optimises."""

    weight: PositiveDecimal = "1"
    """Weight in a WeightedMean."""
    search_samples: int | None = Field(default=None, ge=1, le=100000)
    """Samples that the search sees, a seeded choice, from each of a group's tasks in proportion; unset takes the
    preset's, or half. The others are the unseen ones."""
    samples: SampleRanges | None = None
    """Explicit ranges instead of `searchSamples` and `unseenSamples`."""

    @model_validator(mode="before")
    @classmethod
    def _whole(cls, given: Any) -> Any:
        return presets.held_in(given)


class Objective(ApiModel):
    """What the search optimises: `tasks`, or the `preset` that names them."""

    model_config = ConfigDict(json_schema_extra=_filled_in("tasks"))

    preset: presets.ObjectivePreset | None = None
    """Known tasks together, each as its own preset has it; instead of `tasks`."""
    tasks: tuple[ObjectiveTask, ...] = Field(min_length=1, max_length=MAX_TASKS)
    """The held-in tasks; all names differ."""
    aggregate: Aggregate = "Mean"
    """How the tasks' scores become one fitness."""
    goal: FractionDecimal | None = None
    """A fitness at which the search stops, once the confirmation has reached it too."""

    @model_validator(mode="before")
    @classmethod
    def _with_tasks(cls, given: Any) -> Any:
        return presets.objective(given)


class HeldOut(ApiModel):
    """What only the confirmation scores."""

    tasks: tuple[HeldOutTask, ...] = Field(default=(), max_length=MAX_TASKS)
    """The held-out tasks."""


class Cmaes(ApiModel):
    """CMA-ES and the map from its vectors to weights."""

    parametrization: Literal["Softmax", "Box"] = "Softmax"
    """Softmax: weights are the softmax of the vector. Box: the vector is clipped to [0, 1] and divided by its sum."""
    sigma: PositiveDecimal | None = None
    """Initial step size; unset takes 0.7 for Softmax, 1.0 for Box."""
    population_size: int | None = Field(default=None, ge=2, le=MAX_EVALUATIONS)
    """Candidates of a generation; unset takes 4 + floor(3 ln N), rounded up to fill the evaluators."""
    warm_start: bool = True
    """Start from the best of the baselines and `initial` rather than from the uniform merge."""


class Random(ApiModel):
    """Weights drawn from Dirichlet(1): the control, which learns nothing."""

    population_size: int | None = Field(default=None, ge=2, le=MAX_EVALUATIONS)
    """Candidates that are asked for at once."""


class Algorithm(ApiModel):
    """How weights are proposed: exactly one of the fields."""

    cmaes: Cmaes | None = None
    """CMA-ES."""
    random: Random | None = None
    """Random search."""
    preset: Literal["Paper"] | None = None
    """`Paper`: CMA-ES as in Khalifa et al.: a box, mean 1/N, sigma 1, population 4 + floor(3 ln N), no warm start."""


class Confirm(ApiModel):
    """How the winner is confirmed on samples that the search never saw."""

    finalists: int = Field(default=3, ge=1, le=16)
    """Best candidates of the search that are scored again; unset takes 3, or all of a shorter search."""
    baselines: Literal["Best", "All"] = "Best"
    """Best: the best checkpoint, uniform, merge-best and the greedy soup, as far as `baselines` has them. All: every
    baseline."""


class InitialPoint(ApiModel):
    """Known weights with known scores, from an earlier search: a prior for the start, never a result of this search."""

    weights: dict[Name, FractionDecimal] = Field(min_length=1, max_length=MAX_CHECKPOINTS)
    """Weight of each checkpoint; what is left out is 0."""
    scores: dict[TaskName, FractionDecimal] = Field(min_length=1, max_length=MAX_TASKS)
    """Score on each held-in task."""


class Search(ApiModel):
    """The search and its budgets."""

    algorithm: Algorithm = Algorithm(cmaes=Cmaes())
    """How weights are proposed; unset takes `cmaes`."""
    seed: int = Field(default=1, ge=0, le=2**31 - 1)
    """Seed of everything that is random, the choice of samples included."""
    max_evaluations: int = Field(default=50, ge=1, le=MAX_EVALUATIONS)
    """Candidates of the search to evaluate; baselines and confirmations come on top. May grow while the search runs."""
    max_duration: Duration | None = None
    """Active time after which no further candidate starts; queueing and suspension do not count. No cap on the whole:
    what runs then finishes, and the confirmation follows, however long it takes. Lowered below the active time, it
    finishes a search with what is scored by then. May change while the search runs."""
    max_gpu_hours: PositiveDecimal | None = None
    """Nothing new starts when what ran, what is in flight and the confirmation that has to follow are expected to pass
    it, by what this search has measured; what runs is not ended for it. Unset sets no limit. Lowered so far that the
    confirmation does not fit, the search fails, or ends with what an earlier confirmation has found. May change while
    the search runs."""
    parallelism: int = Field(default=1, ge=1, le=64)
    """Evaluator processes in flight. May change while the search runs."""
    max_failures: int = Field(default=8, ge=0, le=MAX_EVALUATIONS)
    """Candidates that may fail for good before the search stalls. May change while the search runs."""
    patience: int | None = Field(default=None, ge=1, le=MAX_EVALUATIONS)
    """Stop after this many generations without a better candidate. May change while the search runs."""
    baselines: tuple[Baseline, ...] = Field(default=("Checkpoints", "Uniform", "MergeBest"), max_length=4)
    """What the winner has to beat."""
    confirm: Confirm = Confirm()
    """The confirmation."""
    initial: tuple[InitialPoint, ...] = Field(default=(), max_length=64)
    """Known points from an earlier search."""


class Resources(ApiModel):
    """Resources of a container, as in a pod."""

    requests: Mapping = Field(default={}, max_length=16)
    """What the scheduler sets aside."""
    limits: Mapping = Field(default={}, max_length=16)
    """What the container may use. GPUs stand here, such as `nvidia.com/gpu: "1"`."""


class PodTemplate(ApiModel):
    """Fields of the pods, passed on as they are."""

    labels: Mapping = Field(default={}, max_length=32)
    """Further labels."""
    annotations: Mapping = Field(default={}, max_length=32)
    """Further annotations."""
    node_selector: Mapping = Field(default={}, max_length=32)
    """Node labels that a node must have."""
    tolerations: tuple[PassedOn, ...] = Field(default=(), max_length=32)
    """Taints to tolerate."""
    affinity: PassedOn | None = None
    """Affinity of the pods."""
    priority_class_name: ShortText | None = None
    """Priority class."""
    runtime_class_name: ShortText | None = None
    """Runtime class, such as gVisor's."""
    image_pull_secrets: tuple[PassedOn, ...] = Field(default=(), max_length=8)
    """Secrets for the image registry."""
    security_context: PassedOn | None = None
    """Security context of the pod: fsGroup, runAsUser, runAsGroup, supplementalGroups."""
    env: tuple[PassedOn, ...] = Field(default=(), max_length=64)
    """Further environment variables."""
    volumes: tuple[PassedOn, ...] = Field(default=(), max_length=16)
    """Further volumes."""
    volume_mounts: tuple[PassedOn, ...] = Field(default=(), max_length=16)
    """Where they are mounted."""


class Stage(ApiModel):
    """How the processes of a stage run."""

    image: Annotated[str, Field(max_length=512)] | None = None
    """Container image; unset takes the operator's default."""
    resources: Resources = Resources()
    """Resources of the container."""
    batch: int = Field(default=1, ge=1, le=64)
    """Candidates per process."""
    queue_name: ShortText | None = None
    """Kueue's local queue."""
    priority_class: ShortText | None = None
    """Kueue's workload priority class."""
    retries: int = Field(default=2, ge=0, le=10)
    """Further tries after a failure that may pass; disruptions by the platform do not count."""
    active_deadline_seconds: int = Field(default=7200, ge=10, le=604800)
    """How long a running process may take."""
    pending_deadline_seconds: int = Field(default=1800, ge=10, le=604800)
    """How long a pod may fail to start for its image, volume or configuration; queueing does not count."""
    template: PodTemplate = PodTemplate()
    """Fields of the pods."""


class Merger(Stage):
    """The processes that merge."""

    slices: int = Field(default=1, ge=1, le=64)
    """Pods that share each merge on a cluster, each writing whole shards; `mergesearch run` merges in one process."""


class TaskFolder(ApiModel):
    """A folder with lm-eval tasks of the user's own."""

    volume: Name = "checkpoints"
    """Volume that holds it."""
    path: RelativePath = "."
    """The folder inside the volume."""


class Evaluator(Stage):
    """The processes that score."""

    backend: Literal["vllm", "hf"] = "vllm"
    """What runs the model: vLLM or transformers."""
    dtype: Dtype = "bfloat16"
    """Data type in which models are scored."""
    engine_args: Mapping = Field(default={}, max_length=64)
    """Arguments of the backend, such as `max_model_len: "4096"`; values read as YAML scalars."""
    max_gen_toks: int | None = Field(default=None, ge=1, le=131072)
    """Tokens to generate at most; unset leaves the tasks' own numbers."""
    batch_size: int | None = Field(default=None, ge=1, le=4096)
    """Prompts at once for the hf backend."""
    task_folders: tuple[TaskFolder, ...] = Field(default=(), max_length=8)
    """Folders with tasks of the user's own, as lm-eval's `--include_path`."""
    allow_code_execution: bool = False
    """Let tasks run code that the model wrote, as MBPP does."""


class MergeSearchSpec(ApiModel):
    """What to merge, what to optimise, and what it may cost."""

    checkpoints: tuple[CheckpointSource, ...] = Field(min_length=2, max_length=MAX_CHECKPOINTS)
    """The checkpoints, of one architecture."""
    storage: Storage
    """Volumes."""
    merge: Merge = Merge()
    """The form of the merged model."""
    objective: Objective
    """What the search optimises."""
    held_out: HeldOut = HeldOut()
    """What only the confirmation scores."""
    search: Search = Search()
    """The search and its budgets."""
    merger: Merger = Merger()
    """The processes that merge."""
    evaluator: Evaluator = Evaluator()
    """The processes that score."""
    suspend: bool = False
    """Start nothing new, the confirmation included; everything is kept. May change while the search runs."""
    suspend_policy: Literal["Drain", "Now"] = "Drain"
    """Drain: what has been started may finish, Jobs that wait in a queue included. Now: it is ended, and tried again
    later with the same weights. May change while the search runs."""
    retry: Annotated[str, Field(max_length=64)] = ""
    """Any new value is the way out of Stalled: the preflight runs again, and failed candidates of the open generation
    get a new chance. May change while the search runs."""
