"""An evaluator that is stopped in the middle of a batch, and its successor."""

import os
import signal
from pathlib import Path

from evaluator_support import process, tasks
from mergesearch import contract, files

NAMES = ("one", "two", "three", "four")


def test_a_stopped_batch_keeps_what_it_has_published_and_its_successor_does_the_rest(
    volumes: dict[str, Path], home: Path, search: str
) -> None:
    request = tasks.evaluation(NAMES, [tasks.task("letters")], search=contract.SearchRef(name="soup", uid=search))
    running = process.ResidentProcess(volumes, home)
    running.send(request)
    while True:
        answer = running.answer()
        if answer.report is not None:
            os.kill(running.pid, signal.SIGTERM)
            break
    assert running.end() == 143
    reports = {name: volumes["workspace"] / files.evaluation_folder(search, "search", name) for name in NAMES}
    published = [name for name, folder in reports.items() if (folder / files.REPORT).exists()]
    assert "one" in published
    assert "four" not in published
    for name in published:
        assert (volumes["workspace"] / files.samples_file(search, "search", name, "letters")).exists()

    code, answered = process.run_once(request, volumes, home)
    assert code == 0
    found = [report for report in answered if isinstance(report, contract.EvaluationReport)]
    assert {report.candidate for report in found if report.reused} == set(published)
    assert {report.candidate for report in found} == set(NAMES)
    assert all(report.scores for report in found)
