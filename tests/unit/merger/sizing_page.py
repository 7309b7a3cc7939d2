"""Renders docs/sizing.md: every figure in its table is what `mergesearch-merger plan` prints.

`PYTHONPATH=tests python -m unit.merger.sizing_page` writes it.
"""

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mergesearch_merger import budget, estimate, plan_command

PAGE = Path(__file__).resolve().parents[3] / "docs" / "sizing.md"
MODELS = {"8B": "8.03e9", "70B": "70.6e9", "104B": "103.8e9"}
CHECKPOINTS = (4, 8, 16)
PASSES = {"one merge": (1, 1), "8 merges": (8, 1), "one merge in 4 slices": (1, 4)}
MACHINE = ("--cpus", "8", "--memory", "512Mi", "--read-bandwidth", "1G", "--write-bandwidth", "1G")
INTRODUCTION = f"""# Sizing

What merges read, write, hold and take. Generated from the words of `mergesearch-merger plan` by `make generate`.

```sh
docker run --rm $registry/merger:0.1.0 plan --parameters 70e9 --checkpoints 8 --read-bandwidth 2G --write-bandwidth 1G
mergesearch-merger plan /data/checkpoints/chat /data/checkpoints/code --candidates 8   # of these, from their headers
```

It refuses what a merge refuses, with the same words and exit code, and `--json` prints for programs. The preflight of a
search computes bytes and memory of its own checkpoints, before anything is spent, and leaves them in
`status.preflight`; where a merger may take too little memory for a whole batch, it stalls the search (`OutOfMemory`).

- **Read**: every weight of every checkpoint once for each pass, whatever the number of merges that the pass writes
  (`merger.batch`). A checkpoint with weight 0 in all of them is not read.
- **Written**: every merge once. Disk is what the merges take in the end; nothing else is written on the way.
- **Memory** depends on the number of processors and on that of merges in a pass, but not on the size of the weights. A
  merger may take half of what its container allows, or `--memory` (in a pod the variable `MERGESEARCH_MERGER_MEMORY`).
  What the table says is what it takes where it may; with less it works in smaller steps or fewer threads, and it
  refuses less than 80 MiB for 8 merges of 16 checkpoints. Headers come on top,
  {budget.TENSOR_BYTES} bytes for each tensor of each checkpoint and of the merge: 9 MiB for 16 checkpoints of 720
  tensors, 275 MiB for 8 of 40,000. Sizes alone do not tell them, folders do. The page cache comes on top too, and is
  given back when others need it.
- **Seconds**: the slower of reading and writing, which overlap, and the sums:
  `max(read / read bandwidth, written / write bandwidth) + elements x checkpoints x merges x
  {estimate.SECONDS_PER_TERM * 1e9:g} ns / processors`. The start of a pod, and waiting for one, come on top.
- **Slices** (`merger.slices`) share a pass by whole files: the largest part counts, so make the files small enough for
  all of them (`merge.maxShardSize`). They save time where each has a bandwidth of its own: on nodes that read from a
  parallel file system, not on one disk.

Measure the bandwidths where the pods will run: `dd if=FILE of=/dev/null bs=16M iflag=direct` for reading,
`dd if=/dev/zero of=FILE bs=16M count=640 oflag=direct` for writing.

Checkpoints and merges in bfloat16, files of 5 GiB; each process has 8 processors, may take 512 MiB of memory, and reads
and writes 1 GB a second:

| model | checkpoints | in one pass | read | written, disk | memory of a process | seconds | for each merge |
|---|---|---|---|---|---|---|---|
"""


def render() -> str:
    """The text of the page."""
    rows = (
        row for name, parameters in MODELS.items() for count in CHECKPOINTS for row in _rows(name, parameters, count)
    )
    return INTRODUCTION + "".join(rows)


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
        cells = [
            *(name, str(checkpoints), what),
            f"{one['readBytes'] / 1e9:.0f} GB",
            f"{one['diskBytes'] / 1e9:.0f} GB",
            f"{one['memoryBytes'] / 2**20:.0f} MiB",
            f"{one['seconds']:.0f}",
            f"{one['seconds'] / one['candidates']:.0f}",
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
