"""The merger as a process: exit codes, signals, sudden death, memory, and what it does not import."""

import filecmp
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from mergesearch import contract, files, worker
from mergesearch.contract import REPORT, MergeReport, MergeRequest, Model, PreflightCheckpointsReport
from mergesearch.errors import ExitCode
from mergesearch.reasons import Reason
from mergesearch_merger import header, record
from unit.merger import scenes
from unit.merger.scenes import Scene

PROGRAM = [sys.executable, "-m", "mergesearch_merger.main"]
PATIENCE = 60.0
"""Seconds until a process that does nothing has failed."""


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    yield scenes.a_scene(tmp_path)
    shutil.rmtree(tmp_path)


def arguments(scene: Scene) -> list[str]:
    return ["--volume", f"checkpoints={scene.checkpoints}", "--volume", f"workspace={scene.workspace}"]


def environment(request: Model) -> dict[str, str]:
    return {**os.environ, worker.REQUEST_VARIABLE: request.to_json()}


def run(
    scene: Scene, request: Model, before: Callable[[], None] | None = None, more: Sequence[str] = ()
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*PROGRAM, *arguments(scene), *more],
        env=environment(request),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        preexec_fn=before,
        check=False,
    )


@contextmanager
def started(
    scene: Scene, request: Model, more: Sequence[str] = (), log: int = subprocess.DEVNULL
) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        [*PROGRAM, *arguments(scene), *more],
        env=environment(request),
        stdout=subprocess.DEVNULL,
        stderr=log,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def nobody_reads() -> Iterator[tuple[int, int]]:
    """A log that takes no byte until it is read, and its end for reading: a merge waits there with its first line,
    when its files are made and nothing is in them yet.
    """
    source, log = os.pipe()
    try:
        os.set_blocking(log, False)
        with suppress(BlockingIOError):
            while True:
                os.write(log, bytes(1))
        os.set_blocking(log, True)
        yield log, source
    finally:
        os.close(log)
        os.close(source)


def merge_report(line: str) -> MergeReport:
    report = REPORT.validate_json(line)
    assert isinstance(report, MergeReport)
    return report


def large_checkpoints(scene: Scene, names: Sequence[str], elements: int) -> None:
    """Checkpoints with one large tensor of zeros, which takes no space on the disk, beside the small ones."""
    for name in names:
        scenes.write_checkpoint(scene.checkpoints / name, scenes.tensors())
        small = scenes.tensors()
        listed = [(key, dtype, shape, len(data)) for key, (dtype, shape, data) in small.items()]
        head = header.serialize([*listed, ("model.layers.0.up_proj.weight", "BF16", (elements,), 2 * elements)])
        path = scene.checkpoints / name / "model.safetensors"
        path.write_bytes(head + b"".join(data for _, _, data in small.values()))
        os.truncate(path, path.stat().st_size + 2 * elements)


# --- Exit codes ---


def test_a_merge_ends_with_zero_and_its_report_on_standard_output(scene: Scene) -> None:
    request = scene.request()

    ended = run(scene, request)

    assert ended.returncode == ExitCode.DONE, ended.stderr
    report = merge_report(ended.stdout)
    assert report.request_hash == request.hash_of(request.candidates[0])
    assert record.find_finished(scene.merged(), report.request_hash) is not None


def limit_files(soft: int, hard: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_as_many_files_are_opened_as_the_process_may_and_more_are_refused_with_the_numbers(scene: Scene) -> None:
    request = scenes.a_request("abc", *[(0.5, 0.25, 0.25)] * 40, max_shard_bytes=1024)
    names = list(scenes.tensors())
    for name in "abc":
        scenes.write_checkpoint(scene.checkpoints / name, scenes.tensors(), [[one] for one in names])

    refused = run(scene, request, limit_files(64, 66))
    done = run(scene, request, limit_files(64, 4096))

    assert refused.returncode == ExitCode.INVALID_REQUEST
    needed = 3 * len(names) + 40 + 64
    assert f"this process may open 66 files; {3 * len(names)} of the checkpoints" in refused.stderr
    assert f"40 merges of 1 file each take {needed}, with 64 for all else" in refused.stderr
    assert done.returncode == ExitCode.DONE, done.stderr


def test_a_refused_request_ends_with_64_and_says_why_on_standard_error(scene: Scene) -> None:
    (scene.checkpoints / "b" / "config.json").unlink()

    ended = run(scene, scene.request())

    assert ended.returncode == ExitCode.INVALID_REQUEST
    assert "checkpoints/b: config.json is missing" in ended.stderr
    assert ended.stdout == ""


def test_a_candidate_that_is_not_finite_ends_a_batch_of_one_with_65(scene: Scene) -> None:
    entries = {**scenes.tensors(2.0), scenes.NORM: ("BF16", (2,), scenes.bf16([float("inf"), 1.0]))}
    (scene.checkpoints / "b" / "model.safetensors").write_bytes(scenes.file_content(entries))

    ended = run(scene, scene.request())

    assert ended.returncode == ExitCode.INVALID_CANDIDATE
    failure = merge_report(ended.stdout).failure
    assert failure is not None
    assert failure.reason == Reason.NON_FINITE_WEIGHTS


def test_a_model_larger_than_the_disk_ends_with_66_before_a_byte_is_read(scene: Scene) -> None:
    free = os.statvfs(scene.workspace).f_bavail * os.statvfs(scene.workspace).f_frsize
    try:
        large_checkpoints(scene, "abc", free)
    except OSError:
        pytest.skip("this file system cannot hold a sparse file twice its size")

    ended = run(scene, scene.request())

    assert ended.returncode == ExitCode.NO_SPACE
    assert "bytes are free" in ended.stderr
    assert scene.leftovers() == []


def test_a_resident_merger_answers_one_request_after_the_other(scene: Scene) -> None:
    bad = scenes.a_request("abc", (0.5, 0.0, 0.0))
    lines = "".join(request.to_json() + "\n" for request in (scene.preflight(), bad, scene.request()))

    ended = subprocess.run(
        [*PROGRAM, "--serve", *arguments(scene)],
        input=lines,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    answers = [contract.Answer.model_validate_json(line) for line in ended.stdout.splitlines()]
    kinds = [type(answer.report) for answer in answers if answer.report]
    codes = [answer.exit.code for answer in answers if answer.exit]
    assert ended.returncode == ExitCode.DONE
    assert kinds == [PreflightCheckpointsReport, MergeReport]
    assert codes == [ExitCode.DONE, ExitCode.INVALID_REQUEST, ExitCode.DONE]


# --- Signals and sudden death ---


LARGE = 2**26
"""Elements of a tensor whose merge takes long enough to be killed in the middle, as a rule."""


def wait_for_temporary_weights(scene: Scene, pattern: str = f"{files.TEMPORARY_PREFIX}*/model.safetensors") -> None:
    """Until a merge has begun to write."""
    merges = scene.workspace / files.merges_folder(scenes.SEARCH.uid)
    deadline = time.monotonic() + PATIENCE
    while not list(merges.glob(pattern)):
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_a_merge_that_is_killed_when_its_files_are_there_is_not_taken_for_finished(scene: Scene) -> None:
    request = scene.request()

    with nobody_reads() as (log, _), started(scene, request, log=log) as process:
        wait_for_temporary_weights(scene)

    assert process.returncode == -signal.SIGKILL
    assert not scene.merged().exists()
    ended = run(scene, request)
    assert ended.returncode == ExitCode.DONE, ended.stderr
    assert not merge_report(ended.stdout).reused
    assert scene.leftovers() == ["g0-0"]


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.05, 0.1, 0.2, 0.4])
def test_a_killed_merge_leaves_nothing_that_looks_finished_and_the_next_run_tidies_up(
    scene: Scene, delay: float
) -> None:
    large_checkpoints(scene, "abc", LARGE)
    request = scene.request()
    wanted = request.hash_of(request.candidates[0])

    with started(scene, request) as process:
        wait_for_temporary_weights(scene)
        time.sleep(delay)
        process.kill()
        process.wait()

    published = scene.merged().exists()
    assert published is (record.find_finished(scene.merged(), wanted) is not None)
    ended = run(scene, request)
    assert ended.returncode == ExitCode.DONE, ended.stderr
    assert merge_report(ended.stdout).reused is published
    assert scene.leftovers() == ["g0-0"]


def test_sigterm_before_the_first_weights_ends_a_merge_with_143_and_removes_its_files(scene: Scene) -> None:
    with nobody_reads() as (log, source), started(scene, scene.request(), log=log) as process:
        wait_for_temporary_weights(scene)
        process.send_signal(signal.SIGTERM)
        os.read(source, 2**20)
        code = process.wait(PATIENCE)

    assert code == ExitCode.INTERRUPTED
    assert scene.leftovers() == []


def test_sigterm_amid_the_weights_removes_what_was_written_or_comes_too_late(scene: Scene) -> None:
    large_checkpoints(scene, "abc", LARGE)

    with started(scene, scene.request()) as process:
        wait_for_temporary_weights(scene)
        process.send_signal(signal.SIGTERM)
        code = process.wait(PATIENCE)

    assert (code, scene.leftovers()) in [(ExitCode.INTERRUPTED, []), (ExitCode.DONE, ["g0-0"])]


SLICES = 3
VICTIM = 1
"""The slice in the middle holds the large tensor, so it takes longest."""


@pytest.mark.parametrize("delay", [None, 0.0, 0.05, 0.1], ids=["before it writes", "0", "0.05", "0.1"])
def test_a_killed_slice_costs_its_own_work_only_and_the_bytes_are_those_of_a_whole_merge(
    scene: Scene, delay: float | None
) -> None:
    large_checkpoints(scene, "abc", LARGE)
    for name in "abc":
        entries = {f"more.{n}.weight": ("BF16", (2**18,), b"\x40\x3f" * 2**18) for n in range(SLICES)}
        path = scene.checkpoints / name / "model.safetensors"
        path.rename(path.with_name("model-00001-of-00002.safetensors"))
        path.with_name("model-00002-of-00002.safetensors").write_bytes(scenes.file_content(entries))
        names = {**dict.fromkeys(entries, 2), **dict.fromkeys([*scenes.tensors(), "model.layers.0.up_proj.weight"], 1)}
        weight_map = {tensor: f"model-0000{number}-of-00002.safetensors" for tensor, number in names.items()}
        scenes.write_json(path.with_name("model.safetensors.index.json"), {"weight_map": weight_map})
    request = scenes.a_request("abc", (0.5, 0.25, 0.25), slices=SLICES, max_shard_bytes=2**19)

    with ExitStack() as stack:
        log, _ = stack.enter_context(nobody_reads())
        logs = [log if index == VICTIM and delay is None else subprocess.DEVNULL for index in range(SLICES)]
        processes = [
            stack.enter_context(started(scene, request, ["--slice", f"{index}/{SLICES}"], logs[index]))
            for index in range(SLICES)
        ]
        wait_for_temporary_weights(scene, f"*/.tmp-slice-{VICTIM}-*/*.safetensors")
        time.sleep(delay or 0.0)
        processes[VICTIM].kill()
        codes = [process.wait(PATIENCE) for process in processes]

    assert [code for index, code in enumerate(codes) if index != VICTIM] == [ExitCode.DONE] * (SLICES - 1)
    assert delay is not None or codes[VICTIM] == -signal.SIGKILL
    for index in range(SLICES):
        assert run(scene, request, more=["--slice", f"{index}/{SLICES}"]).returncode == ExitCode.DONE
    assert scene.leftovers() == ["g0-0"]
    whole = scenes.Scene(scene.root, scene.weights)
    alone = request.model_copy(update={"candidates": (request.candidates[0].model_copy(update={"id": "g0-1"}),)})
    assert run(whole, alone.model_copy(update={"slices": 1})).returncode == ExitCode.DONE
    for path in scene.merged("g0-1").glob("*.safetensors*"):
        assert filecmp.cmp(path, scene.merged() / path.name, shallow=False), path.name


@pytest.mark.parametrize("number", range(3))
def test_two_processes_of_every_slice_at_once_end_well_and_leave_one_merge(scene: Scene, number: int) -> None:
    weights = (0.5, 0.25 + number / 100, 0.25 - number / 100)
    for name in "abc":
        entries = {f"{n}.weight": ("BF16", (512,), b"\x40\x3f" * 512) for n in range(2 * SLICES)}
        scenes.write_checkpoint(scene.checkpoints / name, {**scenes.tensors(), **entries})
    request = scenes.a_request("abc", weights, slices=SLICES, max_shard_bytes=1024)

    with ExitStack() as stack:
        processes = [
            stack.enter_context(started(scene, request, ["--slice", f"{index % SLICES}/{SLICES}"]))
            for index in range(2 * SLICES)
        ]
        codes = [process.wait(PATIENCE) for process in processes]

    assert codes == [ExitCode.DONE] * len(codes)
    assert scene.leftovers() == ["g0-0"]
    assert record.find_finished(scene.merged(), request.hash_of(request.candidates[0])) is not None


# --- Memory, descriptors, imports ---


def test_memory_stays_within_its_limit_and_grows_neither_with_the_inputs_nor_with_the_model(scene: Scene) -> None:
    limit = 96 * 2**20
    peaks = []
    for count, elements in ((2, 2**24), (8, 2**24), (2, 2**26)):
        names = [f"{elements}-{number}" for number in range(count)]
        large_checkpoints(scene, names, elements)
        request = scenes.a_request(names, [1 / count] * count)
        ended = run(scene, request, more=["--memory", str(limit)])
        assert ended.returncode == ExitCode.DONE, ended.stderr
        peaks.append(merge_report(ended.stdout).peak_bytes)

    assert max(peaks) < limit
    assert max(peaks) < 1.1 * min(peaks)


def test_memory_that_is_too_small_is_refused_with_the_numbers(scene: Scene) -> None:
    ended = run(scene, scene.request(), more=["--memory", "64Mi"])

    assert ended.returncode == ExitCode.INVALID_REQUEST
    assert "64 MiB of memory are too little: a merge of 3 inputs with 1 candidates at once, 12 tensors" in ended.stderr


def test_more_shards_than_a_process_may_open_by_default_are_merged(scene: Scene) -> None:
    entries = {f"{number}.weight": ("BF16", (2,), scenes.bf16([1.0, 2.0])) for number in range(60)}
    for name in "abc":
        scenes.write_checkpoint(scene.checkpoints / name, entries, [[key] for key in entries])

    def allow_few() -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))

    ended = run(scene, scene.request(), before=allow_few)

    assert ended.returncode == ExitCode.DONE, ended.stderr


WATCHED = ("torch", "safetensors", "transformers", "numpy")
REQUESTS: dict[str, tuple[Callable[[Scene], Model], list[str]]] = {
    "a preflight": (Scene.preflight, []),
    "a merge": (Scene.request, ["numpy"]),
}


@pytest.mark.parametrize(("ask", "imported"), REQUESTS.values(), ids=REQUESTS)
def test_no_framework_is_imported(scene: Scene, ask: Callable[[Scene], MergeRequest], imported: list[str]) -> None:
    code = (
        "import json, sys\n"
        "from mergesearch_merger import main\n"
        "code = main.main()\n"
        f"json.dump([name for name in {WATCHED!r} if name in sys.modules], sys.stderr)\n"
        "sys.exit(code)\n"
    )

    ended = subprocess.run(
        [sys.executable, "-c", code, *arguments(scene)],
        env=environment(ask(scene)),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert ended.returncode == ExitCode.DONE
    assert json.loads(ended.stderr.splitlines()[-1]) == imported
