"""Manifests that people write by mistake, and what they are told. The tests and `docs/bad-manifests.md` read this."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

FOLDER = Path(__file__).parent
Base = Literal["minimal", "full"]


@dataclass(frozen=True)
class BadManifest:
    """A good manifest with one mistake, or a text that is none."""

    id: str
    did: str
    """What somebody did, the rest of a sentence that begins so."""
    expected: tuple[tuple[str, str], ...]
    """Path and a part of the message of each problem, in the order in which they are told."""
    base: Base = "minimal"
    old: str = ""
    """A text that stands in the good manifest once."""
    new: str = ""
    """What stands there instead; with no `old`, the whole file."""
    shown: str = ""
    """How the page shows a text that is too long for it."""

    @property
    def text(self) -> str:
        """The manifest."""
        if not self.old:
            return self.new
        good = (FOLDER / f"{self.base}.yaml").read_text(encoding="utf-8")
        if good.count(self.old) != 1:
            raise ValueError(f"{self.id}: {self.old!r} stands {good.count(self.old)} times in {self.base}.yaml")
        return good.replace(self.old, self.new)


def _bomb() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 10)]
    return "\n".join(lines) + "\n"


def _checkpoints(count: int) -> str:
    return "".join(f"    - {{name: c{number}, path: c{number}}}\n" for number in range(count))


TWO = "    - {name: sft-a, path: runs/sft-a}\n    - {name: sft-b, path: runs/sft-b}\n"
TASK = "- {name: gsm8k, metric: exact_match, filter: strict-match}"
CLAIM = "    workspace:\n      persistentVolumeClaim: {claimName: merges}\n"
OBJECTIVE = "  objective:\n"

TEXT = (
    BadManifest("empty", "saved the file before writing it", (("", "the file is empty"),), new="\n"),
    BadManifest("comments-only", "commented everything out", (("", "the file is empty"),), new="# spec:\n"),
    BadManifest(
        "tab",
        "indented with a tab",
        (("", "a tab stands where only spaces may"),),
        old="  name: minimal\n",
        new="\tname: minimal\n",
        shown="⇥name: minimal",
    ),
    BadManifest(
        "unclosed-quote",
        "forgot the second quote",
        (("", "a quote is not closed"),),
        old="gsm8k, metric: exact_match, filter: strict-match}",
        new="'gsm8k, metric: exact_match}",
    ),
    BadManifest(
        "unclosed-bracket",
        "forgot a brace",
        (("", "a bracket or brace is not closed"),),
        old="{claimName: merges}",
        new="{claimName: merges",
    ),
    BadManifest(
        "indentation",
        "indented a line less than its neighbours",
        (("", "look at its indentation"),),
        old="  objective:\n",
        new=" objective:\n",
    ),
    BadManifest(
        "at-sign",
        "began a text with @ and without quotes",
        (("", "needs quotes"),),
        old="path: runs/sft-a}",
        new="path: @runs/sft-a}",
    ),
    BadManifest(
        "several-documents",
        "put the claim and the search into one file",
        (("", "several documents"),),
        old="# The least that a search needs.\n",
        new="apiVersion: v1\nkind: PersistentVolumeClaim\n---\n",
    ),
    BadManifest(
        "root-is-a-list",
        "put a dash before everything",
        (("", "this is no manifest"),),
        new="- apiVersion: mergesearch.io/v1alpha1\n- kind: MergeSearch\n",
    ),
    BadManifest("root-is-a-text", "gave another file", (("", "this is no manifest"),), new="checkpoints\n"),
    BadManifest(
        "duplicate-key",
        "wrote a section twice",
        (("spec.storage", "this key stands twice"),),
        old=OBJECTIVE,
        new="  storage:\n    keepBest: 2\n  objective:\n",
    ),
    BadManifest(
        "unknown-alias",
        "referred to an anchor that does not exist",
        (("", "names no anchor above it"),),
        old="{claimName: merges}",
        new="*claim",
    ),
    BadManifest(
        "alias-bomb",
        "gave a file whose aliases multiply",
        (("", "too large with its aliases written out"),),
        new=_bomb(),
        shown="a1: &a1 [*a0, *a0, ...], a2: &a2 [*a1, *a1, ...], ...",
    ),
    BadManifest(
        "too-large",
        "gave a file that is no manifest at all",
        (("", "the file is too large"),),
        new="#" * (2**20 + 1),
        shown="a file of more than 1 MiB",
    ),
    BadManifest(
        "too-deep",
        "gave a file of nothing but brackets",
        (("", "nested too deeply"),),
        new="[" * 1000,
        shown="[[[[...",
    ),
    BadManifest(
        "control-character",
        "pasted a character that no editor shows",
        (("", "not text"),),
        old="runs/sft-a",
        new="runs/\x07sft-a",
        shown="path: runs/␇sft-a",
    ),
    BadManifest(
        "tag",
        "used a tag of another tool",
        (("metadata.name", "tags are not known here"),),
        old="  name: minimal",
        new="  name: !Ref minimal",
    ),
    BadManifest(
        "leading-zero",
        "named a checkpoint by a number with a leading zero",
        (("spec.checkpoints[0].name", "leading zero"),),
        old="name: sft-a,",
        new="name: 0100,",
    ),
    BadManifest(
        "key-is-a-boolean",
        "called a checkpoint `on` and left out the quotes",
        (
            ("spec.checkpoints[0].name", 'write it in quotes: "on"'),
            ("spec.search.initial[0].weights.on", "this key is not a text"),
        ),
        old=TWO,
        new=TWO.replace("sft-a,", "on,") + '  search: {initial: [{weights: {on: "1"}, scores: {gsm8k: "0.5"}}]}\n',
    ),
)
"""What is wrong before the fields are looked at."""

HEADER = (
    BadManifest(
        "no-api-version",
        "left out apiVersion",
        (("apiVersion", "required and missing"),),
        old="apiVersion: mergesearch.io/v1alpha1\n",
    ),
    BadManifest(
        "wrong-version",
        "guessed the version",
        (("apiVersion", "not a valid value"),),
        old="io/v1alpha1",
        new="io/v1",
    ),
    BadManifest(
        "another-group",
        "left out the group of the resource",
        (("apiVersion", "not a valid value"),),
        old="mergesearch.io/v1alpha1",
        new="v1alpha1",
    ),
    BadManifest(
        "kind-case",
        "wrote the kind in another case",
        (("kind", "did you mean MergeSearch?"),),
        old="kind: MergeSearch",
        new="kind: Mergesearch",
    ),
    BadManifest(
        "another-kind",
        "gave the manifest of something else",
        (("kind", "manifest of something else"),),
        new="apiVersion: batch/v1\nkind: Job\nmetadata: {name: job}\nspec: {template: {}}\n",
    ),
    BadManifest(
        "no-name",
        "left out the name",
        (("metadata.name", "required and missing"),),
        old="  name: minimal\n",
        new="  namespace: default\n",
    ),
    BadManifest(
        "name-characters",
        "gave a name that Kubernetes does not take",
        (("metadata.name", "the names of Jobs begin with it"),),
        old="  name: minimal",
        new="  name: My_Search",
    ),
    BadManifest(
        "name-length",
        "gave a name that leaves no room for the names of Jobs",
        (("metadata.name", "41 characters"),),
        old="  name: minimal",
        new=f"  name: {'a' * 41}",
    ),
    BadManifest(
        "metadata-typo",
        "misspelt a field of the metadata",
        (("metadata.lables", "did you mean labels?"),),
        old="  name: minimal\n",
        new="  name: minimal\n  lables: {team: nlp}\n",
    ),
    BadManifest(
        "label-number",
        "gave a label a number",
        (("metadata.labels.version", "Kubernetes takes texts only"),),
        old="  name: minimal\n",
        new="  name: minimal\n  labels: {version: 3}\n",
    ),
    BadManifest(
        "labels-list",
        "wrote the labels as a list",
        (("metadata.labels", "a mapping of texts"),),
        old="  name: minimal\n",
        new="  name: minimal\n  labels: [team=nlp]\n",
    ),
    BadManifest(
        "no-spec",
        "left the spec empty",
        (("spec", "this is empty"),),
        new="apiVersion: mergesearch.io/v1alpha1\nkind: MergeSearch\nmetadata: {name: empty}\nspec:\n",
    ),
)

FIELDS = (
    BadManifest(
        "misspelt-field",
        "misspelt a field",
        (("spec.search.maxEvaluation", "did you mean maxEvaluations?"),),
        base="full",
        old="maxEvaluations: 64",
        new="maxEvaluation: 64",
    ),
    BadManifest(
        "snake-case",
        "wrote a field as in Python",
        (("spec.search.max_failures", "did you mean maxFailures?"),),
        base="full",
        old="maxFailures: 8",
        new="max_failures: 8",
    ),
    BadManifest(
        "field-of-another-section",
        "put a field into the wrong section",
        (("spec.seed", "did you mean spec.search.seed?"),),
        old=OBJECTIVE,
        new="  seed: 7\n  objective:\n",
    ),
    BadManifest(
        "field-at-the-top",
        "forgot to indent below spec",
        (("search", "did you mean spec.search?"),),
        old="spec:\n",
        new="search: {seed: 7}\nspec:\n",
    ),
    BadManifest(
        "weight-of-a-held-out-task",
        "gave a held-out task a weight",
        (("spec.heldOut.tasks[0].weight", "did you mean spec.objective.tasks[*].weight?"),),
        base="full",
        old="        unseenSamples: 500\n",
        new='        weight: "2"\n        unseenSamples: 500\n',
    ),
    BadManifest(
        "missing-field",
        "left out the metric of a task",
        (("spec.objective.tasks[0].metric", "required and missing"),),
        old="metric: exact_match, ",
        new="",
    ),
    BadManifest(
        "nothing-says-how-a-task-is-scored",
        "gave neither the name and metric of a task nor a preset",
        (
            ("spec.objective.tasks[0].name", "1 to 128 characters, or a preset"),
            ("spec.objective.tasks[0].metric", "required and missing"),
        ),
        old=TASK,
        new="- {numFewshot: 5}",
    ),
    BadManifest(
        "no-task-and-no-preset",
        "gave neither tasks nor a preset",
        (("spec.objective.tasks", "1 to 8 entries, or a preset"),),
        old=f"    tasks:\n      {TASK}\n",
        new="    aggregate: Mean\n",
    ),
    BadManifest(
        "preset-unknown",
        "misspelt the preset of a task",
        (("spec.objective.tasks[0].preset", "did you mean GSM8K?"),),
        old=TASK,
        new="- {preset: gsm-8k}",
    ),
    BadManifest(
        "objective-preset-unknown",
        "put the tasks of a preset in another order",
        (("spec.objective.preset", "did you mean MBPP-IFEval?"),),
        old=f"    tasks:\n      {TASK}\n",
        new="    preset: IFEval-MBPP\n",
    ),
    BadManifest(
        "forgotten-value",
        "wrote a field without a value",
        (("spec.heldOut.tasks", "this is empty"),),
        old=OBJECTIVE,
        new="  heldOut:\n    tasks:\n  objective:\n",
    ),
    BadManifest(
        "decimal-without-quotes",
        "wrote a decimal number without quotes",
        (("spec.search.algorithm.cmaes.sigma", 'write it in quotes: "0.70"'),),
        base="full",
        old='sigma: "0.7"',
        new="sigma: 0.70",
    ),
    BadManifest(
        "exponent-without-quotes",
        "wrote a number with an exponent without quotes",
        (("spec.merge.skipBelow", 'write it in quotes: "1e-3"'),),
        base="full",
        old='skipBelow: "0.001"',
        new="skipBelow: 1e-3",
    ),
    BadManifest(
        "number-in-quotes",
        "wrote a whole number in quotes",
        (("spec.search.seed", "write it without quotes: 1"),),
        base="full",
        old="    seed: 1\n",
        new='    seed: "1"\n',
    ),
    BadManifest(
        "truth-in-quotes",
        "wrote true in quotes",
        (("spec.suspend", "write it without quotes: true"),),
        base="full",
        old="suspend: false",
        new='suspend: "true"',
    ),
    BadManifest(
        "text-that-is-a-boolean",
        "used the word yes as a text",
        (("spec.retry", 'write it in quotes: "yes"'),),
        base="full",
        old='retry: ""',
        new="retry: yes",
    ),
    BadManifest(
        "gpu-without-quotes",
        "asked for a GPU as one may in a pod",
        (('spec.evaluator.resources.limits["nvidia.com/gpu"]', 'write it in quotes: "1"'),),
        base="full",
        old='nvidia.com/gpu: "1"',
        new="nvidia.com/gpu: 1",
    ),
    BadManifest(
        "engine-argument-without-quotes",
        "gave the engine a number",
        (("spec.evaluator.engineArgs.max_length", 'write it in quotes: "4096"'),),
        base="full",
        old='max_length: "4096"',
        new="max_length: 4096",
    ),
    BadManifest(
        "enum-case",
        "wrote a value in another case",
        (("spec.search.algorithm.cmaes.parametrization", "did you mean Softmax?"),),
        base="full",
        old="parametrization: Softmax",
        new="parametrization: softmax",
    ),
    BadManifest(
        "enum-value",
        "used a value that does not exist",
        (("spec.objective.aggregate", "Mean, WeightedMean, GeometricMean or Minimum"),),
        base="full",
        old="aggregate: WeightedMean",
        new="aggregate: Product",
    ),
    BadManifest(
        "too-many-evaluations",
        "asked for more evaluations than a resource can hold",
        (("spec.search.maxEvaluations", "1 to 500"),),
        base="full",
        old="maxEvaluations: 64",
        new="maxEvaluations: 5000",
    ),
    BadManifest(
        "zero",
        "set the parallelism to 0",
        (("spec.search.parallelism", "1 to 64"),),
        base="full",
        old="parallelism: 4",
        new="parallelism: 0",
    ),
    BadManifest(
        "fraction-for-a-whole-number",
        "gave a fraction where things are counted",
        (("spec.storage.keepBest", "a whole number, 1 to 16"),),
        base="full",
        old="keepBest: 3",
        new="keepBest: 1.5",
    ),
    BadManifest(
        "days",
        "gave a duration in days",
        (("spec.search.maxDuration", "such as 24h, 90m or 1h30m"),),
        base="full",
        old="maxDuration: 24h",
        new="maxDuration: 1d",
    ),
    BadManifest(
        "sexagesimal",
        "gave a duration as on a clock",
        (("spec.search.maxDuration", 'found "24:00"'),),
        base="full",
        old="maxDuration: 24h",
        new="maxDuration: 24:00",
    ),
    BadManifest(
        "gigabytes",
        "gave a size in GB",
        (("spec.merge.maxShardSize", "such as 500Mi or 5Gi"),),
        base="full",
        old="maxShardSize: 5Gi",
        new="maxShardSize: 5GB",
    ),
    BadManifest(
        "percent",
        "gave the goal in percent",
        (("spec.objective.goal", "from 0 to 1"),),
        base="full",
        old='goal: "0.70"',
        new='goal: "70%"',
    ),
    BadManifest(
        "goal-above-one",
        "gave the goal in points",
        (("spec.objective.goal", "from 0 to 1"),),
        base="full",
        old='goal: "0.70"',
        new='goal: "70"',
    ),
    BadManifest(
        "negative",
        "gave a task a negative weight",
        (("spec.objective.tasks[0].weight", "above 0"),),
        base="full",
        old='weight: "2"',
        new='weight: "-2"',
    ),
    BadManifest(
        "one-checkpoint",
        "named a single checkpoint",
        (("spec.checkpoints", "too few entries"),),
        old=TWO,
        new=_checkpoints(1),
    ),
    BadManifest(
        "too-many-checkpoints",
        "named more checkpoints than a search can take",
        (("spec.checkpoints", "too many entries"),),
        old=TWO,
        new=_checkpoints(65),
        shown="65 checkpoints",
    ),
    BadManifest(
        "checkpoint-name",
        "named a checkpoint as its folder",
        (("spec.checkpoints[0].name", "1 to 63 lower-case letters"),),
        old="name: sft-a,",
        new="name: runs/SFT_a,",
    ),
    BadManifest(
        "number-as-a-name",
        "named a checkpoint by its step",
        (("spec.checkpoints[0].name", 'write it in quotes: "1200"'),),
        old="name: sft-a,",
        new="name: 1200,",
    ),
    BadManifest(
        "absolute-path",
        "gave the path on the machine instead of that in the volume",
        (("spec.checkpoints[0].path", "not beginning with /"),),
        old="path: runs/sft-a}",
        new="path: /data/runs/sft-a}",
    ),
    BadManifest(
        "mapping-for-a-list",
        "wrote the checkpoints as a mapping",
        (("spec.checkpoints", "a list of 2 to 64 entries"),),
        old=TWO,
        new="    sft-a: {path: runs/sft-a}\n    sft-b: {path: runs/sft-b}\n",
    ),
    BadManifest(
        "text-for-a-mapping",
        "wrote a task as its name only",
        (("spec.objective.tasks[0]", "a mapping with the fields preset, name, metric"),),
        old=TASK,
        new="- gsm8k",
    ),
    BadManifest(
        "text-for-a-list",
        "wrote a single baseline without brackets",
        (("spec.search.baselines", "a list of at most 4 entries"),),
        base="full",
        old="baselines: [Checkpoints, Uniform, MergeBest, Greedy]",
        new="baselines: Checkpoints",
    ),
    BadManifest(
        "name-in-a-map",
        "named a checkpoint of a known point as its folder",
        (("spec.search.initial[0].weights.SFT_03", "this name is not valid"),),
        base="full",
        old='sft-03: "0.5"',
        new='SFT_03: "0.5"',
    ),
    BadManifest(
        "empty-map",
        "gave a known point no weights",
        (("spec.search.initial[0].weights", "too few entries"),),
        base="full",
        old='weights: {sft-03: "0.5", dpo-12: "0.3", rl-7: "0.2"}',
        new="weights: {}",
    ),
    BadManifest(
        "too-many-in-a-map",
        "gave more arguments than an engine has",
        (("spec.evaluator.engineArgs", "too many entries"),),
        old=OBJECTIVE,
        new=f"  evaluator: {{engineArgs: {{{', '.join(f'a{n}: x' for n in range(65))}}}}}\n{OBJECTIVE}",
        shown="engineArgs: {a0: x, a1: x, ..., a64: x}",
    ),
    BadManifest(
        "not-a-number",
        "set a budget to infinity",
        (("spec.search.maxGpuHours", "not a finite number"),),
        base="full",
        old='maxGpuHours: "60"',
        new="maxGpuHours: .inf",
    ),
)
"""What is wrong with single fields."""

INPUTS = (
    BadManifest(
        "checkpoint-twice",
        "gave two checkpoints the same name",
        (("spec.checkpoints[1].name", "spec.checkpoints[0].name has this name already"),),
        old="name: sft-b,",
        new="name: sft-a,",
    ),
    BadManifest(
        "folder-twice",
        "named the same folder twice, once with a dot",
        (("spec.checkpoints[1].path", "the same folder of the same volume"),),
        old="path: runs/sft-b}",
        new="path: ./runs/sft-a/}",
    ),
    BadManifest(
        "path-leads-out",
        "gave a path that leads out of the volume",
        (("spec.checkpoints[1].path", "may lead out of its volume"),),
        old="path: runs/sft-b}",
        new="path: ../other/sft-b}",
    ),
    BadManifest(
        "unknown-volume",
        "misspelt the name of a volume",
        (("spec.checkpoints[1].volume", "did you mean archive?"),),
        base="full",
        old="      path: runs/dpo-12\n      volume: archive",
        new="      path: runs/dpo-12\n      volume: archiv",
    ),
    BadManifest(
        "task-folder-volume",
        "took tasks from a volume that is not there",
        (("spec.evaluator.taskFolders[0].volume", "spec.storage names no such volume"),),
        base="full",
        old="      - volume: tasks",
        new="      - volume: lm-eval",
    ),
    BadManifest(
        "task-folder-twice",
        "named a folder of tasks twice",
        (("spec.evaluator.taskFolders[1].path", "the same folder of the same volume"),),
        base="full",
        old="        path: lm-eval\n",
        new="        path: lm-eval\n      - {volume: tasks, path: lm-eval/}\n",
    ),
    BadManifest(
        "volume-workspace",
        "took a checkpoint from the workspace",
        (("spec.checkpoints[0].volume", "the workspace is written to"),),
        base="full",
        old="volume: checkpoints",
        new="volume: workspace",
    ),
    BadManifest(
        "volume-twice",
        "gave two volumes the same name",
        (
            ("spec.storage.volumes[1].name", "spec.storage.volumes[0].name has this name already"),
            ("spec.evaluator.taskFolders[0].volume", "spec.storage names no such volume"),
        ),
        base="full",
        old="      - name: tasks\n",
        new="      - name: archive\n",
    ),
    BadManifest(
        "volume-reserved",
        "gave a further volume the name of the workspace",
        (
            ("spec.storage.volumes[1].name", "this name belongs to spec.storage.workspace"),
            ("spec.evaluator.taskFolders[0].volume", "spec.storage names no such volume"),
        ),
        base="full",
        old="      - name: tasks\n",
        new="      - name: workspace\n",
    ),
    BadManifest(
        "tokenizer-unknown",
        "misspelt the checkpoint of the tokenizer",
        (("spec.merge.tokenizerFrom", "did you mean sft-03?"),),
        base="full",
        old="tokenizerFrom: sft-03",
        new="tokenizerFrom: sft-3",
    ),
    BadManifest(
        "workspace-both",
        "named a claim for the workspace and a template as well",
        (("spec.storage.workspace", "exactly one of persistentVolumeClaim or claimTemplate"),),
        old=CLAIM,
        new=CLAIM + "      claimTemplate: {size: 100Gi}\n",
    ),
    BadManifest(
        "workspace-neither",
        "named no claim for the workspace",
        (("spec.storage.workspace", "found neither"),),
        old=CLAIM,
        new="    workspace: {}\n",
    ),
    BadManifest(
        "one-pod-claim",
        "chose an access mode for one pod, several evaluators and slices",
        (
            ("spec.storage.workspace.claimTemplate.accessModes", "spec.search.parallelism is 4"),
            ("spec.storage.workspace.claimTemplate.accessModes", "spec.merger.slices is 2"),
        ),
        base="full",
        old="accessModes: [ReadWriteMany]",
        new="accessModes: [ReadWriteOncePod]",
    ),
    BadManifest(
        "one-pod-claim-and-others",
        "chose access modes that exclude each other",
        (("spec.storage.workspace.claimTemplate.accessModes", "ReadWriteOncePod allows no mode beside it"),),
        old=CLAIM,
        new="    workspace: {claimTemplate: {size: 1Ti, accessModes: [ReadWriteOncePod, ReadWriteMany]}}\n",
    ),
    BadManifest(
        "access-mode-twice",
        "named an access mode twice",
        (("spec.storage.workspace.claimTemplate.accessModes[1]", "this mode stands there twice"),),
        old=CLAIM,
        new="    workspace: {claimTemplate: {size: 1Ti, accessModes: [ReadWriteMany, ReadWriteMany]}}\n",
    ),
    BadManifest(
        "claim-name",
        "gave the path of a claim instead of its name",
        (("spec.storage.workspace.persistentVolumeClaim.claimName", "Kubernetes knows no such names"),),
        old="claimName: merges",
        new="claimName: team/merges",
    ),
    BadManifest(
        "threshold",
        "set a threshold that drops every weight",
        (("spec.merge.skipBelow", "all 3 weights of a merge could lie below this"),),
        base="full",
        old='skipBelow: "0.001"',
        new='skipBelow: "0.4"',
    ),
    BadManifest(
        "task-twice",
        "named a task twice",
        (("spec.objective.tasks[1].name", "spec.objective.tasks[0].name is this task already"),),
        old=TASK,
        new=f"{TASK}\n      {TASK}",
    ),
    BadManifest(
        "held-out-is-held-in",
        "held out a task that the search optimises",
        (("spec.heldOut.tasks[0].name", "so it is not held out"),),
        old=OBJECTIVE,
        new="  heldOut: {tasks: [{name: gsm8k, metric: exact_match, filter: strict-match}]}\n  objective:\n",
    ),
    BadManifest(
        "preset-twice",
        "named a task once by its name, and once by a preset",
        (("spec.objective.tasks[1].name", "spec.objective.tasks[0].name is this task already"),),
        old=TASK,
        new=f"{TASK}\n      - {{preset: GSM8K}}",
    ),
    BadManifest(
        "held-out-preset-is-held-in",
        "held out a task of the objective's preset",
        (("spec.heldOut.tasks[0].name", "so it is not held out"),),
        old=f"  objective:\n    tasks:\n      {TASK}\n",
        new="  heldOut: {tasks: [{preset: IFEval}]}\n  objective: {preset: MBPP-IFEval}\n  evaluator: "
        "{allowCodeExecution: true}\n",
    ),
    BadManifest(
        "tasks-beside-a-preset",
        "gave a preset of all tasks and tasks beside it",
        (("spec.objective.preset", "the tasks are chosen twice"),),
        old=OBJECTIVE,
        new="  objective:\n    preset: MBPP-IFEval\n",
    ),
    BadManifest(
        "task-file",
        "gave the file of a task instead of its name",
        (("spec.objective.tasks[0].name", "lm-eval has no such task"),),
        old="name: gsm8k,",
        new="name: tasks/gsm8k.yaml,",
    ),
    BadManifest(
        "empty-metric",
        "left the metric of a task empty",
        (("spec.objective.tasks[0].metric", "this name is empty"),),
        old="metric: exact_match",
        new='metric: ""',
    ),
    BadManifest(
        "samples-twice",
        "chose the samples by number and by range",
        (("spec.objective.tasks[1].searchSamples", "the samples are chosen twice"),),
        base="full",
        old='        weight: "1"\n',
        new='        weight: "1"\n        searchSamples: 600\n',
    ),
    BadManifest(
        "unseen-samples-beside-ranges",
        "chose the unseen samples by number and by range",
        (("spec.objective.tasks[1].unseenSamples", "the samples are chosen twice"),),
        base="full",
        old='        weight: "1"\n',
        new='        weight: "1"\n        unseenSamples: 600\n',
    ),
    BadManifest(
        "empty-range",
        "swapped the ends of a range",
        (("spec.objective.tasks[1].samples.search", "this range is empty"),),
        base="full",
        old="search: {start: 0, stop: 600}",
        new="search: {start: 600, stop: 500}",
    ),
    BadManifest(
        "ranges-overlap",
        "let the search see samples that are to confirm it",
        (("spec.objective.tasks[1].samples.unseen", "the search would see samples"),),
        base="full",
        old="unseen: {start: 600, stop: 1319}",
        new="unseen: {start: 500, stop: 1319}",
    ),
)
"""What does not fit together among inputs, volumes and tasks."""

KNOWN = (
    BadManifest(
        "preset-runs-code",
        "took a preset that runs programs, and did not allow it",
        (
            (
                "spec.evaluator.allowCodeExecution",
                "mergesearch_mbpp_instruct (spec.objective.tasks[0]) runs programs that the model wrote, in a sandbox; "
                "found false; allowed: true",
            ),
        ),
        old=TASK,
        new="- {preset: MBPP}",
    ),
    BadManifest(
        "presets-run-code",
        "optimised and held out such tasks, and forbade it",
        (
            (
                "spec.evaluator.allowCodeExecution",
                "mergesearch_mbpp_instruct (spec.objective.tasks[0]), mergesearch_mbpp (spec.heldOut.tasks[0]) run "
                "programs that the model wrote, in a sandbox; found false; allowed: true",
            ),
        ),
        old=f"  objective:\n    tasks:\n      {TASK}\n",
        new="  objective: {preset: MBPP-IFEval}\n  heldOut: {tasks: [{preset: MBPP, name: mergesearch_mbpp, filter: "
        "none}]}\n  evaluator: {allowCodeExecution: false}\n",
    ),
    BadManifest(
        "code-beside-the-checkpoints",
        "took lm-eval's own task that runs programs",
        (
            (
                "spec.objective.tasks[0].name",
                "lm-eval's own task would run programs that the model wrote beside the checkpoints; "
                'found "mbpp_instruct"; allowed: mergesearch_mbpp_instruct',
            ),
        ),
        old=TASK,
        new="- {name: mbpp_instruct, metric: pass_at_1, filter: extract_code}",
    ),
    BadManifest(
        "all-samples-searched",
        "let the search see all samples of a preset",
        (
            (
                "spec.objective.tasks[0].searchSamples",
                "all 1319 documents of gsm8k, which leaves none unseen; found the number 1319; allowed: at most 1318",
            ),
        ),
        old=TASK,
        new="- {preset: GSM8K, searchSamples: 1319}",
    ),
    BadManifest(
        "too-many-unseen-samples",
        "asked for more unseen samples than the search of a preset leaves",
        (
            (
                "spec.objective.tasks[0].unseenSamples",
                "300, but the search leaves 271 of the 541 documents of ifeval unseen; found the number 300; "
                "allowed: at most 271",
            ),
        ),
        old=TASK,
        new="- {preset: IFEval, unseenSamples: 300}",
    ),
    BadManifest(
        "too-many-samples-together",
        "asked for more samples together than a task has",
        (
            (
                "spec.objective.tasks[0].unseenSamples",
                "400, but the search leaves 319 of the 1319 documents of gsm8k unseen; found the number 400; "
                "allowed: at most 319",
            ),
        ),
        old=TASK,
        new=TASK.replace("}", ", searchSamples: 1000, unseenSamples: 400}"),
    ),
    BadManifest(
        "too-many-held-out-samples",
        "asked for more held-out samples than a preset has",
        (
            (
                "spec.heldOut.tasks[0].unseenSamples",
                "20000, but mmlu_pro has 12032 documents; found the number 20000; allowed: at most 12032",
            ),
        ),
        old=OBJECTIVE,
        new="  heldOut: {tasks: [{preset: MMLU-Pro, unseenSamples: 20000}]}\n  objective:\n",
    ),
    BadManifest(
        "range-beyond-the-task",
        "gave a range that ends behind the last sample of a preset",
        (
            (
                "spec.objective.tasks[0].samples",
                "stop is 1500, but gsm8k has 1319 documents; found the number 1500; allowed: at most 1319",
            ),
        ),
        old=TASK,
        new="- {preset: GSM8K, samples: {search: {start: 0, stop: 659}, unseen: {start: 659, stop: 1500}}}",
    ),
    BadManifest(
        "ranges-of-a-group",
        "gave ranges of a preset that is a group of tasks",
        (
            (
                "spec.objective.tasks[0].samples",
                "leaderboard_musr is a group of 3 tasks; ranges need a single task; found ranges; "
                "allowed: searchSamples and unseenSamples",
            ),
        ),
        old=TASK,
        new="- {preset: MuSR, samples: {search: {start: 0, stop: 100}, unseen: {start: 100, stop: 200}}}",
    ),
    BadManifest(
        "metric-of-another-name",
        "named the metric of a preset as papers do",
        (
            (
                "spec.objective.tasks[0].metric",
                'mergesearch_mbpp_instruct cannot be optimised by this metric; found "pass@1"; allowed: pass_at_1; '
                "did you mean pass_at_1?",
            ),
        ),
        old=f"    tasks:\n      {TASK}\n",
        new="    tasks: [{preset: MBPP, metric: pass@1}]\n  evaluator: {allowCodeExecution: true}\n",
    ),
    BadManifest(
        "metric-that-is-no-mean",
        "took a metric that is no mean over samples",
        (
            (
                "spec.objective.tasks[0].metric",
                'ifeval cannot be optimised by this metric; found "inst_level_strict_acc"; '
                "allowed: prompt_level_strict_acc or prompt_level_loose_acc; did you mean prompt_level_strict_acc?",
            ),
        ),
        old=TASK,
        new="- {preset: IFEval, metric: inst_level_strict_acc}",
    ),
    BadManifest(
        "filter-misspelt",
        "misspelt a filter",
        (
            (
                "spec.objective.tasks[0].filter",
                'gsm8k has no such filter; found "strictmatch"; allowed: strict-match or flexible-extract; '
                "did you mean strict-match?",
            ),
        ),
        old="filter: strict-match",
        new="filter: strictmatch",
    ),
    BadManifest(
        "filter-left-out",
        "left out the filter of a task that has some",
        (
            (
                "spec.objective.tasks[0].filter",
                'gsm8k has no such filter; found "none"; allowed: strict-match or flexible-extract',
            ),
        ),
        old=", filter: strict-match",
        new="",
    ),
    BadManifest(
        "filter-of-the-preset",
        "took the task for base models, and kept the filter of the preset",
        (
            (
                "spec.objective.tasks[0].filter",
                'mergesearch_mbpp has no such filter; found "extract_code"; allowed: none',
            ),
        ),
        old=f"    tasks:\n      {TASK}\n",
        new="    tasks: [{preset: MBPP, name: mergesearch_mbpp}]\n  evaluator: {allowCodeExecution: true}\n",
    ),
)
"""What is known of a task before its data is loaded."""

SEARCH = (
    BadManifest(
        "weight-without-effect",
        "weighted the tasks of a plain mean",
        (("spec.objective.tasks[0].weight", "the aggregate Mean does not read weights"),),
        base="full",
        old="aggregate: WeightedMean",
        new="aggregate: Mean",
    ),
    BadManifest(
        "goal-zero",
        "set the goal to 0",
        (("spec.objective.goal", "the first candidate reaches this goal"),),
        base="full",
        old='goal: "0.70"',
        new='goal: "0.0"',
    ),
    BadManifest(
        "two-algorithms",
        "chose two algorithms",
        (("spec.search.algorithm", "exactly one of cmaes, random or preset"),),
        base="full",
        old="    algorithm:\n",
        new="    algorithm:\n      random: {}\n",
    ),
    BadManifest(
        "no-algorithm",
        "chose no algorithm",
        (("spec.search.algorithm", "found none"),),
        old=OBJECTIVE,
        new="  search: {algorithm: {}}\n  objective:\n",
    ),
    BadManifest(
        "sigma",
        "gave a step size that leads nowhere",
        (("spec.search.algorithm.cmaes.sigma", "this step is too large"),),
        base="full",
        old='sigma: "0.7"',
        new='sigma: "1e9"',
    ),
    BadManifest(
        "task-weight",
        "gave a task a weight beyond measure",
        (("spec.objective.tasks[0].weight", "this weight is too small or too large"),),
        base="full",
        old='weight: "2"',
        new='weight: "1e300"',
    ),
    BadManifest(
        "duration",
        "gave a duration beyond every calendar",
        (("spec.search.maxDuration", "more than a year"),),
        base="full",
        old="maxDuration: 24h",
        new="maxDuration: 99999999999h",
    ),
    BadManifest(
        "baseline-twice",
        "named a baseline twice",
        (("spec.search.baselines[3]", "spec.search.baselines[1] is this baseline already"),),
        base="full",
        old="MergeBest, Greedy]",
        new="MergeBest, Uniform]",
    ),
    BadManifest(
        "baseline-needs-checkpoints",
        "left out the baselines that others are made from",
        (
            ("spec.search.baselines[1]", "MergeBest follows from the scores of the checkpoints"),
            ("spec.search.baselines[2]", "Greedy follows from the scores of the checkpoints"),
        ),
        base="full",
        old="baselines: [Checkpoints, Uniform,",
        new="baselines: [Uniform,",
    ),
    BadManifest(
        "product",
        "combined many checkpoints with many evaluations",
        (("spec.search.maxEvaluations", "40 checkpoints x 500 evaluations = 20000"),),
        old=TWO,
        new=_checkpoints(40) + "  search: {maxEvaluations: 500}\n",
        shown="40 checkpoints and search: {maxEvaluations: 500}",
    ),
    BadManifest(
        "population",
        "made a generation larger than the search",
        (("spec.search.algorithm.cmaes.populationSize", "no generation would ever be complete"),),
        base="full",
        old="populationSize: 8",
        new="populationSize: 80",
    ),
    BadManifest(
        "finalists",
        "asked for more finalists than candidates",
        (("spec.search.confirm.finalists", "there are fewer candidates than finalists"),),
        old=OBJECTIVE,
        new="  search: {maxEvaluations: 8, confirm: {finalists: 10}}\n  objective:\n",
    ),
    BadManifest(
        "known-point-name",
        "misspelt a checkpoint in a known point",
        (("spec.search.initial[0].weights.dpo12", "did you mean dpo-12?"),),
        base="full",
        old='dpo-12: "0.3"',
        new='dpo12: "0.3"',
    ),
    BadManifest(
        "known-point-sum",
        "gave weights that do not sum to 1",
        (("spec.search.initial[0].weights", "a sum of 1.1"),),
        base="full",
        old='dpo-12: "0.3"',
        new='dpo-12: "0.4"',
    ),
    BadManifest(
        "known-point-score-missing",
        "left out a score of a known point",
        (("spec.search.initial[0].scores", "gsm8k has no score"),),
        base="full",
        old='scores: {ifeval: "0.61", gsm8k: "0.55"}',
        new='scores: {ifeval: "0.61"}',
    ),
    BadManifest(
        "known-point-score-unknown",
        "misspelt a task in a known point",
        (("spec.search.initial[0].scores.gms8k", "did you mean gsm8k?"),),
        base="full",
        old='gsm8k: "0.55"',
        new='gms8k: "0.55"',
    ),
)
"""What does not fit together in the search."""

PODS = (
    BadManifest(
        "priority-without-queue",
        "gave a priority without a queue",
        (("spec.evaluator.priorityClass", "no queue is named"),),
        old=OBJECTIVE,
        new="  evaluator: {priorityClass: high}\n  objective:\n",
    ),
    BadManifest(
        "queue-name",
        "gave the queue the title of the team",
        (("spec.merger.queueName", "Kubernetes knows no such names"),),
        old=OBJECTIVE,
        new="  merger: {queueName: Post Training}\n  objective:\n",
    ),
    BadManifest(
        "batch-size-of-vllm",
        "gave vLLM a batch size",
        (("spec.evaluator.batchSize", "decides by itself"),),
        base="full",
        old="backend: hf",
        new="backend: vllm",
    ),
    BadManifest(
        "engine-argument-with-a-field",
        "set the data type as an argument of the engine",
        (("spec.evaluator.engineArgs.dtype", "another field decides this"),),
        base="full",
        old="attn_implementation: sdpa",
        new="dtype: float16",
    ),
    BadManifest(
        "engine-argument-of-python",
        "wrote a truth value as in Python",
        (("spec.evaluator.engineArgs.trust_remote_code", "the backend would take this for a text"),),
        base="full",
        old='trust_remote_code: "false"',
        new='trust_remote_code: "False"',
    ),
    BadManifest(
        "image",
        "left a space in the name of an image",
        (("spec.merger.image", "no image is called this"),),
        base="full",
        old="mergesearch-merger:0.1.0",
        new="mergesearch-merger: 0.1.0".replace(": ", " :"),
    ),
    BadManifest(
        "quantity",
        "asked for memory in words",
        (("spec.merger.resources.limits.memory", "this is no quantity"),),
        base="full",
        old="limits: {memory: 32Gi}",
        new="limits: {memory: 32 GB}",
    ),
    BadManifest(
        "request-above-limit",
        "requested more than the limit",
        (("spec.merger.resources.requests.memory", "the request is above the limit"),),
        base="full",
        old="limits: {memory: 32Gi}",
        new="limits: {memory: 8Gi}",
    ),
    BadManifest(
        "engine-argument-infinite",
        "set an argument of the engine to infinity",
        (("spec.evaluator.engineArgs.max_length", "this is not a finite number"),),
        base="full",
        old='max_length: "4096"',
        new="max_length: Infinity",
    ),
    BadManifest(
        "quantity-of-a-request",
        "requested cores in words",
        (("spec.merger.resources.requests.cpu", "this is no quantity"),),
        base="full",
        old='requests: {cpu: "4",',
        new="requests: {cpu: four,",
    ),
    BadManifest(
        "gpu-without-limit",
        "requested a GPU without a limit",
        (('spec.merger.resources.requests["nvidia.com/gpu"]', "needs a limit"),),
        base="full",
        old='requests: {cpu: "4",',
        new='requests: {nvidia.com/gpu: "1",',
    ),
    BadManifest(
        "gpus-differ",
        "requested fewer GPUs than the limit",
        (('spec.evaluator.resources.requests["nvidia.com/gpu"]', "have to be the same"),),
        base="full",
        old='requests: {cpu: "8",',
        new='requests: {nvidia.com/gpu: "0",',
    ),
    BadManifest(
        "half-a-gpu",
        "asked for half a GPU",
        (('spec.evaluator.resources.limits["nvidia.com/gpu"]', "cannot be shared out in parts"),),
        base="full",
        old='nvidia.com/gpu: "1"',
        new='nvidia.com/gpu: "0.5"',
    ),
    BadManifest(
        "label-value",
        "gave a pod's label a sentence",
        (('spec.merger.template.labels["example.com/team"]', "this is no value of a label"),),
        base="full",
        old="labels: {example.com/team: post-training}",
        new="labels: {example.com/team: Post-training team}",
    ),
    BadManifest(
        "label-name",
        "gave a pod's label a name with a space",
        (('spec.merger.template.labels["my team"]', "this is no name of a label"),),
        base="full",
        old="labels: {example.com/team: post-training}",
        new="labels: {my team: post-training}",
    ),
    BadManifest(
        "annotation-name",
        "gave an annotation a name with a space",
        (('spec.merger.template.annotations["the owner"]', "this is no name of an annotation"),),
        base="full",
        old="annotations: {example.com/owner:",
        new="annotations: {the owner:",
    ),
    BadManifest(
        "own-label",
        "set a label of the operator",
        (('spec.merger.template.labels["mergesearch.io/search"]', "are set by the operator"),),
        base="full",
        old="labels: {example.com/team: post-training}",
        new="labels: {mergesearch.io/search: mine}",
    ),
    BadManifest(
        "own-variable",
        "set a variable of MergeSearch",
        (("spec.merger.template.env[0].name", "are set by MergeSearch"),),
        base="full",
        old="name: HF_HOME",
        new="name: MERGESEARCH_REQUEST",
    ),
    BadManifest(
        "variable-of-slices",
        "numbered the slices of a merge",
        (("spec.merger.template.env[0].name", "Kubernetes numbers the slices"),),
        base="full",
        old="name: HF_HOME",
        new="name: JOB_COMPLETION_INDEX",
    ),
    BadManifest(
        "variable-number",
        "gave a variable a number",
        (("spec.merger.template.env[0].value", 'write it in quotes: "1"'),),
        base="full",
        old="{name: HF_HOME, value: /cache}",
        new="{name: HF_HUB_OFFLINE, value: 1}",
    ),
    BadManifest(
        "variable-name",
        "gave a variable a name with a space",
        (("spec.merger.template.env[0].name", "a variable needs a name"),),
        base="full",
        old="name: HF_HOME",
        new="name: HF HOME",
    ),
    BadManifest(
        "variable-list",
        "gave a variable a list",
        (("spec.merger.template.env[0].value", "this is not a valid value"),),
        base="full",
        old="value: /cache}",
        new="value: [/cache]}",
    ),
    BadManifest(
        "pod-volume-without-name",
        "left out the name of a pod's volume",
        (("spec.merger.template.volumes[0].name", "a volume needs a name"),),
        base="full",
        old="volumes: [{name: cache, emptyDir: {}}]",
        new="volumes: [{emptyDir: {}}]",
    ),
    BadManifest(
        "pod-volume-twice",
        "named a pod's volume twice",
        (("spec.merger.template.volumes[1].name", "this volume stands there twice"),),
        base="full",
        old="volumes: [{name: cache, emptyDir: {}}]",
        new="volumes: [{name: cache, emptyDir: {}}, {name: cache, emptyDir: {}}]",
    ),
    BadManifest(
        "mount-without-path",
        "left out where a volume is mounted",
        (("spec.merger.template.volumeMounts[0].mountPath", "a mount needs a path"),),
        base="full",
        old="{name: cache, mountPath: /cache}",
        new="{name: cache}",
    ),
    BadManifest(
        "mount-without-volume",
        "mounted a volume that the pod does not have",
        (("spec.merger.template.volumeMounts[0].name", "did you mean cache?"),),
        base="full",
        old="volumeMounts: [{name: cache,",
        new="volumeMounts: [{name: caches,",
    ),
    BadManifest(
        "pod-volume-taken",
        "gave a pod's volume the name of one of the search",
        (
            ("spec.merger.template.volumes[0].name", "the search has a volume of this name"),
            ("spec.merger.template.volumeMounts[0].name", "no volume has this name"),
        ),
        base="full",
        old="volumes: [{name: cache,",
        new="volumes: [{name: archive,",
    ),
    BadManifest(
        "toleration-typo",
        "misspelt a field that is passed on to pods",
        (("spec.merger.template.tolerations[0].efect", "did you mean effect?"),),
        base="full",
        old="effect: NoSchedule",
        new="efect: NoSchedule",
    ),
)
"""What does not fit together in the processes."""

MANY = BadManifest(
    "many-at-once",
    "made several mistakes; all are told at once",
    (
        ("apiVersion", "not a valid value"),
        ("metadata.name", "the names of Jobs begin with it"),
        ("spec.checkpoint", "did you mean checkpoints?"),
        ("spec.storage.workspace", "found neither"),
        ("spec.objective.tasks[0].numFewShot", "did you mean numFewshot?"),
        ("spec.objective.tasks[1].name", "is this task already"),
        ("spec.search.algorithm.cmaes.sigma", 'write it in quotes: "0.5"'),
        ("spec.search.algorithm.cmaes.populationSize", "no generation would ever be complete"),
        ("spec.evaluator.backend", "vllm or hf"),
    ),
    new="""\
apiVersion: mergesearch.io/v1
kind: MergeSearch
metadata: {name: First_Try}
spec:
  checkpoint: [sft-a, sft-b]
  storage:
    checkpoints: {persistentVolumeClaim: {claimName: checkpoints}}
    workspace: {}
  objective:
    tasks:
      - {name: gsm8k, metric: exact_match, filter: strict-match, numFewShot: 5}
      - {name: gsm8k, metric: exact_match, filter: strict-match}
  search:
    algorithm: {cmaes: {sigma: 0.5, populationSize: 100}}
    maxEvaluations: 50
  evaluator: {backend: transformers, batchSize: 8}
""",
)

SECTIONS: tuple[tuple[str, tuple[BadManifest, ...]], ...] = (
    ("The text", TEXT),
    ("The header", HEADER),
    ("Single fields", FIELDS),
    ("Inputs, volumes and tasks", INPUTS),
    ("Known tasks", KNOWN),
    ("The search", SEARCH),
    ("Processes and pods", PODS),
    ("Several at once", (MANY,)),
)
BAD_MANIFESTS = tuple(case for _, cases in SECTIONS for case in cases)
