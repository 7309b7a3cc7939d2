"""Peak memory, measured in processes of known appetite."""

import subprocess
import sys

import pytest

HUNGRY = "x = b'1' * 100_000_000"
PROGRAMS = {
    "this process": f"{HUNGRY}; del x",
    "a child that has ended": f'import subprocess, sys; subprocess.run([sys.executable, "-c", "{HUNGRY}"], check=True)',
}


def peak_of(program: str) -> int:
    code = f"{program}\nfrom mergesearch import memory\nprint(memory.peak_bytes())"
    return int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_the_peak_counts_the_memory_of(program: str) -> None:
    assert 100_000_000 < peak_of(program) < 200_000_000


def test_the_peak_of_a_small_process_is_its_own_and_not_that_of_its_large_parent() -> None:
    program = f"""
import subprocess, sys
{HUNGRY}
done = subprocess.run(
    [sys.executable, "-c", "from mergesearch import memory; print(memory.peak_bytes())"],
    capture_output=True, text=True, check=True, start_new_session=True,
)
print(done.stdout)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert int(done.stdout) < 100_000_000
