"""A search on one machine: what a user sees of it, and what it leaves behind."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest

from mergesearch.errors import CliExitCode, InvalidManifestError, StateHeldError
from support.bench import Bench, make
from support.history import history, partial, read


def test_a_search_ends_with_its_winner_on_the_workspace_and_a_page(bench: Bench) -> None:
    assert bench.run() == CliExitCode.COMPLETE

    resource = read(bench.state.folder)
    status = resource.status
    assert status is not None
    assert status.confirmed is not None
    assert len(status.candidates) == 16
    winner = bench.folder / "workspace" / status.confirmed.path
    assert {path.name for path in winner.parent.iterdir()} == {winner.name}
    assert (winner / "model.safetensors").is_file()
    record = json.loads((winner / "merge.json").read_text())
    for name, weight in status.confirmed.weights.items():
        assert record["weights"][name] == pytest.approx(weight, abs=1e-6)
    assert status.confirmed.id in bench.state.report.read_text()
    assert status.confirmed.id in bench.output.getvalue()


def test_a_complete_search_is_not_run_again(bench: Bench) -> None:
    bench.run()
    before = bench.state.document.read_text()
    assert bench.run() == CliExitCode.COMPLETE
    assert json.loads(bench.state.document.read_text()) == json.loads(before)


def test_a_raised_budget_goes_on_from_where_the_search_ended(bench: Bench) -> None:
    bench.spec["search"]["maxEvaluations"] = 11
    bench.run()
    first = read(bench.state.folder).status
    bench.spec["search"]["maxEvaluations"] = 16
    assert bench.run() == CliExitCode.COMPLETE
    second = read(bench.state.folder).status
    assert first is not None
    assert second is not None
    assert [r.x for r in second.candidates[:11]] == [r.x for r in first.candidates]
    assert len(second.candidates) == 16
    assert second.confirmed is not None
    assert second.confirmed.reused == (second.rounds == 2)


def test_a_search_whose_budget_was_raised_equals_one_that_had_it_from_the_start(
    bench: Bench, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.spec["search"]["maxEvaluations"] = 11
    bench.run()
    bench.spec["search"]["maxEvaluations"] = 16
    bench.run()
    whole = make(tmp_path_factory.mktemp("whole"), monkeypatch)
    whole.run()
    raised, straight = history(read(bench.state.folder)), history(read(whole.state.folder))
    assert raised["candidates"] == straight["candidates"]


def test_a_change_of_what_was_searched_is_refused_and_changes_nothing(bench: Bench) -> None:
    bench.run()
    before = bench.state.document.read_text()
    bench.spec["search"]["seed"] = 7
    with pytest.raises(InvalidManifestError, match=r"spec\.search\.seed: was 1, is 7"):
        bench.run()
    assert bench.state.document.read_text() == before


def test_a_second_run_on_the_same_state_folder_refuses_and_names_the_first(bench: Bench) -> None:
    first = bench.start(seconds=0.2)
    try:
        _wait_for(bench, first, "candidates")
        bench.hold()
        with pytest.raises(StateHeldError, match=f"process {first.pid}"):
            bench.run()
    finally:
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=600)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_an_interrupted_search_ends_its_children_says_how_to_go_on_and_goes_on(
    bench: Bench, how: signal.Signals, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = bench.start(seconds=0.1)
    _wait_for(bench, process, "candidates")
    bench.hold()
    children = _children(process.pid)
    assert children
    # As a terminal does: Ctrl-C reaches the whole foreground group.
    os.killpg(process.pid, how) if how is signal.SIGINT else process.send_signal(how)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == CliExitCode.INTERRUPTED
    assert "run the same command again" in output
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
    bench.release()
    assert bench.run() == CliExitCode.COMPLETE
    undisturbed = make(tmp_path_factory.mktemp("undisturbed"), monkeypatch)
    undisturbed.run()
    assert history(read(bench.state.folder)) == history(read(undisturbed.state.folder))


def test_a_preflight_problem_stalls_before_any_merge_and_retry_goes_on(bench: Bench) -> None:
    bench.fault("no-such-task")
    assert bench.run() == CliExitCode.STALLED
    status = read(bench.state.folder).status
    assert status is not None
    assert not status.baselines
    assert not list((bench.folder / "workspace").rglob("merge.json"))
    assert "task 'a' does not exist" in bench.output.getvalue()
    assert "--retry" in bench.output.getvalue()
    assert bench.run() == CliExitCode.STALLED, "without --retry nothing changes"
    assert bench.run(retry=True) == CliExitCode.COMPLETE


def test_the_problems_of_checkpoints_and_tasks_come_at_once(bench: Bench) -> None:
    bench.fault("no-such-task")
    bench.spec["checkpoints"][1]["path"] = "m11"
    assert bench.run() == CliExitCode.STALLED
    told = bench.output.getvalue().split("Stalled (PreflightFailed):")[-1]
    assert "CheckpointMissing: checkpoint 'm1': checkpoints/m11 does not exist" in told
    assert "TaskUnknown: task 'a' does not exist" in told
    assert "then run the same `mergesearch run` command with --retry." in told
    assert "all scores so far are kept" not in told
    assert "spec.retry" not in told


def test_a_run_that_was_killed_is_not_shown_as_running_and_the_next_one_says_what_it_starts(bench: Bench) -> None:
    process = bench.start(seconds=0.2)
    _wait_for(bench, process, "candidates")
    bench.hold()
    alive = _command("status", str(bench.state.folder))
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=600)
    assert "No run holds this folder" not in alive.stdout
    dead = _command("status", str(bench.state.folder))
    assert "was in flight" in dead.stdout
    words = "No run holds this folder: work in flight will be started again by `mergesearch run`."
    assert dead.stdout.splitlines()[-1] == words
    bench.release()
    assert bench.run() == CliExitCode.COMPLETE
    # Which of them depends on what the killed run had got to.
    assert re.search(r"Starting (evaluator|merger)-0", bench.output.getvalue())
    assert "No run holds" not in _command("status", str(bench.state.folder)).stdout


def test_a_damaged_search_ends_with_1_and_one_line_and_wrong_arguments_with_2(bench: Bench) -> None:
    bench.run()
    bench.state.document.write_bytes(bench.state.document.read_bytes()[:500])
    damaged = _command("status", str(bench.state.folder))
    assert damaged.returncode == CliExitCode.ERROR
    assert len(damaged.stderr.splitlines()) == 1
    assert "line 1 column 500" in damaged.stderr
    for arguments in (
        ["status", str(bench.manifest)],
        ["run", str(bench.manifest), "--state", str(bench.manifest), *(f"--volume={v}" for v in bench.volumes)],
        ["plan", str(bench.manifest), "--volume", "checkpoints=nowhere"],
    ):
        wrong = _command(*arguments)
        assert wrong.returncode == CliExitCode.BAD_MANIFEST, wrong.stderr
        assert len(wrong.stderr.splitlines()) == 1


def test_a_mistake_that_the_preflight_has_found_can_be_mended_in_the_manifest(bench: Bench) -> None:
    bench.spec["checkpoints"][1]["path"] = "m11"
    assert bench.run() == CliExitCode.STALLED
    bench.spec["checkpoints"][1]["path"] = "m1"
    assert bench.run() == CliExitCode.COMPLETE


def test_an_evaluator_that_dies_is_started_again_and_its_last_words_are_kept(bench: Bench) -> None:
    bench.fault("die", 3)
    bench.spec["evaluator"]["retries"] = 0
    assert bench.run() == CliExitCode.STALLED
    status = read(bench.state.folder).status
    assert status is not None
    failed = [record for record in status.baselines if record.state == "Failed"]
    assert failed
    assert "exit code 9" in failed[0].message
    assert "the last words of a dying evaluator" in failed[0].message
    bench.spec["evaluator"]["retries"] = 0
    (bench.folder / "faults" / "die").unlink()
    assert bench.run(retry=True) == CliExitCode.COMPLETE


def test_an_evaluation_that_hangs_is_ended_at_its_deadline_and_tried_again(bench: Bench) -> None:
    bench.fault("hang")
    bench.spec["evaluator"]["activeDeadlineSeconds"] = 30
    assert bench.run() == CliExitCode.COMPLETE
    status = read(bench.state.folder).status
    assert status is not None
    assert status.counts.retried >= 1


def test_candidates_without_a_finite_score_fail_and_the_search_goes_on(bench: Bench) -> None:
    bench.spec["search"]["baselines"] = []
    bench.spec["search"]["confirm"] = {"finalists": 1}
    bench.fault("nan", 2)
    assert bench.run() == CliExitCode.COMPLETE
    status = read(bench.state.folder).status
    assert status is not None
    assert status.counts.failed == 2
    assert {r.fitness for r in status.candidates if r.state == "Failed"} == {None}


def test_a_missing_volume_stops_the_run_before_it_starts(bench: Bench) -> None:
    bench.spec["storage"]["volumes"] = [{"name": "tasks", "persistentVolumeClaim": {"claimName": "t"}}]
    with pytest.raises(InvalidManifestError, match=r"add --volume tasks=DIR"):
        bench.run()
    assert not bench.state.folder.exists()


def test_the_command_line_prints_every_problem_of_a_manifest_and_exits_with_2(bench: Bench) -> None:
    bench.spec["search"]["sead"] = 1
    bench.spec["objective"]["aggregate"] = "Meen"
    done = _command("validate", str(bench.manifest))
    assert done.returncode == CliExitCode.BAD_MANIFEST
    assert "seed" in done.stderr
    assert "Mean" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_manifest_may_come_on_standard_input(bench: Bench) -> None:
    good = _command("validate", "-", stdin=bench.manifest.read_text())
    bad = _command("validate", "-", stdin=bench.manifest.read_text().replace("checkpoints:", "checkpoint:"))
    assert good.stdout.startswith("standard input: valid; ")
    assert _command("plan", "-", stdin=bench.manifest.read_text()).returncode == 0
    assert bad.returncode == CliExitCode.BAD_MANIFEST
    assert bad.stderr.startswith("standard input: ")
    assert "did you mean checkpoints?" in bad.stderr


def test_status_prints_the_whole_resource(bench: Bench) -> None:
    bench.run()
    done = _command("status", str(bench.state.folder), "-o", "json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["status"]["phase"] == "Complete"
    table = _command("status", str(bench.state.folder))
    assert "Complete" in table.stdout


def test_plan_counts_what_the_search_then_does(bench: Bench) -> None:
    done = _command("plan", str(bench.manifest), "--volume", bench.volumes[0], "--evaluation-seconds", "60")
    assert done.returncode == 0, done.stderr
    bench.run()
    status = read(bench.state.folder).status
    assert status is not None
    scored = len(status.baselines) + len(status.candidates) + len(status.confirmations)
    assert f"evaluations {scored}" in " ".join(done.stdout.split())


def test_the_version_is_that_of_the_distribution() -> None:
    done = _command("--version")
    assert (done.returncode, done.stdout) == (0, f"mergesearch {metadata.version('mergesearch')}\n")


def test_the_help_lists_the_exit_codes() -> None:
    done = _command("run", "--help")
    assert "130 interrupted" in " ".join(done.stdout.split())


def _command(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-P", "-m", "mergesearch_cli.app", *arguments]
    environment = {**os.environ, "COLUMNS": "160"}
    return subprocess.run(program, capture_output=True, text=True, check=False, env=environment, input=stdin)


def _wait_for(bench: Bench, process: subprocess.Popen[str], field: str) -> None:
    until = time.monotonic() + 600
    while not partial(bench.state.folder).get(field):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until, f"no {field} after ten minutes: {partial(bench.state.folder)}"
        time.sleep(0.02)


def _children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()]
