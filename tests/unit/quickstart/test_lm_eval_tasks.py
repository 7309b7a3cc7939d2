"""The toy tasks as lm-eval reads them: offline, and wherever the folder lies."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import make_tasks

PROGRAM = """
import json, sys
import lm_eval.tasks
manager = lm_eval.tasks.TaskManager(include_path=sys.argv[1])
found = {}
for name in sys.argv[2:]:
    task = manager.load([name])["tasks"][name]
    doc = task.test_docs()[0]
    found[name] = [len(task.test_docs()), task.doc_to_text(doc), task.doc_to_target(doc), task.config.target_delimiter]
print(json.dumps(found))
"""


@pytest.mark.slow
def test_lm_eval_loads_every_task_from_a_copy_of_the_folder_without_a_network(tmp_path: Path) -> None:
    copy = tmp_path / "moved" / "tasks"
    shutil.copytree(Path(make_tasks.__file__).parent / "tasks", copy)
    files = sorted(copy.glob("*.jsonl"))
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(copy), *(path.stem for path in files)],
        cwd=tmp_path,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout.splitlines()[-1])
    assert found.keys() == {path.stem for path in files}
    for path in files:
        lines = path.read_text().splitlines()
        first = json.loads(lines[0])
        assert found[path.stem] == [len(lines), first["prompt"], first["answer"], ""]
