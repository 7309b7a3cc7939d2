"""Renders docs/sizing.md: every figure in its table is what `mergesearch-merger plan` prints.

`PYTHONPATH=tests python -m unit.merger.sizing_page` writes it.
"""

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mergesearch_merger import budget, estimate, findings, plan_command

PAGE = Path(__file__).resolve().parents[3] / "docs" / "sizing.md"
MODELS = {"8B": "8.03e9", "70B": "70.6e9", "104B": "103.8e9"}
CHECKPOINTS = (4, 8, 16)
PASSES = {"one merge": (1, 1), "8 merges": (8, 1), "one merge in 4 slices": (1, 4)}
MACHINE = ("--cpus", "8", "--memory", "512M", "--read-bandwidth", "1G", "--write-bandwidth", "1G")
INTRODUCTION = """# Sizing

What merges read, write, hold and take. Generated from the words of `mergesearch-merger plan` by `make generate`.

```sh
registry=registry.example/mergesearch   # where your images are: docs/operations.md
docker run --rm $registry/merger:0.1.0 plan --parameters 70B --checkpoints 8 --read-bandwidth 2G --write-bandwidth 1G
mergesearch-merger plan /data/checkpoints/chat /data/checkpoints/code --candidates 8   # of these, from their headers
```

It refuses what a merge refuses, with the same words and exit code, and `--json` prints for programs. The preflight of a
search computes bytes and memory of its own checkpoints, before anything is spent, and leaves them in
`status.preflight`; where a merger may take too little memory for a whole batch, it stalls the search (`OutOfMemory`).

- **Read**: every weight of every checkpoint once for each pass, whatever the number of merges that the pass writes
  (`merger.batch`). A checkpoint with weight 0 in all of them is not read.
- **Written**: every merge once. Disk is what the merges take in the end; nothing else is written on the way.
- **Memory**: a merger may take half of what its container allows, or `--memory` (in a pod the variable
  `MERGESEARCH_MERGER_MEMORY`). What the table says is what it takes where it may: it grows with the processors and with
  the merges of a pass, and neither with the size of the weights nor with the number of checkpoints. With less it works
  in smaller steps or fewer threads. The least, below which it refuses the request, grows with the checkpoints too:
  {least}.
  Headers come on top, {tensor_bytes} bytes for each tensor of each checkpoint and of the merge: 10 MB for 16
  checkpoints of 720 tensors, 288 MB for 8 of 40,000. Sizes alone do not tell them, folders do. The page cache comes on
  top too, and is given back when others need it.
- **Seconds**: the slower of reading and writing, which overlap, and the sums:
  `max(read / read bandwidth, written / write bandwidth) + elements x checkpoints x merges x
  {compiled:g} ns / processors`, where all is bfloat16, by the compiled kernel that the image holds; {numpy:g} ns
  elsewhere. A merger that was built without that kernel takes {numpy:g} ns for all; `plan` does not look for it. The
  start of a pod, and waiting for one, come on top.
- **Slices** (`merger.slices`) share a pass by whole files: the largest part counts, and with more slices than files
  some have nothing to do, as the table says (`3 work`). Make the files small enough for all of them
  (`merge.maxShardSize`). They save time where each has a bandwidth of its own: on nodes that read from a parallel file
  system, not on one disk.

Measure the bandwidths where the pods will run, on the volumes that they use. For reading, with a file of gigabytes:

```sh
dd if=FILE of=/dev/null bs=16M iflag=direct
```

For writing; this writes 10 GiB, so have them free, and removes them again:

```sh
dd if=/dev/zero of=bandwidth.tmp bs=16M count=640 oflag=direct conv=fsync; rm bandwidth.tmp
```

Checkpoints and merges in bfloat16, files of 5 GiB; each process has 8 processors, may take 512 MB of memory, and reads
and writes 1 GB a second. 1 GB is 10^9 bytes:

| model | checkpoints | in one pass | read | written, disk | memory of a process | seconds | for each merge |
|---|---|---|---|---|---|---|---|
"""


def render() -> str:
    """The text of the page."""
    rows = (
        row for name, parameters in MODELS.items() for count in CHECKPOINTS for row in _rows(name, parameters, count)
    )
    words = {
        "least": _least(),
        "tensor_bytes": budget.TENSOR_BYTES,
        "compiled": estimate.COMPILED_SECONDS_PER_TERM * 1e9,
        "numpy": estimate.NUMPY_SECONDS_PER_TERM * 1e9,
    }
    return INTRODUCTION.format_map(words) + "".join(rows)


def _least() -> str:
    """The least memory of a few passes, rounded up, so that this much is enough."""
    told = []
    for checkpoints, candidates in ((2, 1), (16, 1), (16, 8)):
        found = _said(["--parameters", "8e9", "--checkpoints", str(checkpoints), *MACHINE])
        least = -(-found[candidates, 1]["leastMemoryBytes"] // 10**6)
        told.append(f"{least} MB for {findings.counted(candidates, 'merge')} of {checkpoints}")
    return ", ".join(told)


def _rows(name: str, parameters: str, checkpoints: int) -> Iterator[str]:
    argv = [
        "--parameters",
        parameters,
        "--checkpoints",
        str(checkpoints),
        *MACHINE,
        "--candidates",
        "8",
        "--slices",
        "4",
    ]
    found = _said(argv)
    for what, key in PASSES.items():
        one = found[key]
        working = one["workingSlices"]
        cells = [
            *(name, str(checkpoints), what + (f" ({working} work)" if working < one["slices"] else "")),
            plan_command.size(one["readBytes"]),
            plan_command.size(one["diskBytes"]),
            plan_command.size(one["memoryBytes"]),
            plan_command.seconds(one["seconds"]),
            plan_command.seconds(one["seconds"] / one["candidates"]),
        ]
        yield f"| {' | '.join(cells)} |\n"


def _said(argv: list[str]) -> dict[tuple[int, int], dict[str, Any]]:
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = plan_command.main([*argv, "--json"])
    assert code == 0
    return {(one["candidates"], one["slices"]): one for one in json.loads(said.getvalue())["passes"]}


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
