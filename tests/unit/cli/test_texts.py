"""Files and standard input are read alike, whatever the locale says."""

import subprocess
import sys
from pathlib import Path

import pytest

from mergesearch.errors import InvalidManifestError
from mergesearch_cli import texts

NOT_UTF_8 = "größe".encode("latin-1")


def piped(code: str, given: bytes, environment: dict[str, str]) -> "subprocess.CompletedProcess[bytes]":
    program = [sys.executable, "-c", f"from mergesearch_cli import texts; {code}"]
    return subprocess.run(program, input=given, capture_output=True, check=False, env=environment)


@pytest.mark.parametrize("locale", [{"LC_ALL": "C.UTF-8"}, {"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}], ids=str)
def test_standard_input_is_utf_8_as_files_are(locale: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "text"
    file.write_bytes("größe".encode())
    same = f"assert texts.read(texts.STDIN) == {texts.read(file)!a}"

    done = piped(same, file.read_bytes(), locale)

    assert (done.returncode, done.stderr) == (0, b"")


def test_what_is_no_text_is_told_with_its_name(tmp_path: Path) -> None:
    file = tmp_path / "text"
    file.write_bytes(NOT_UTF_8)
    with pytest.raises(InvalidManifestError, match="text: cannot be read: not UTF-8"):
        texts.read(file)

    command = [sys.executable, "-m", "mergesearch_cli.app", "status", "-"]
    done = subprocess.run(command, input=NOT_UTF_8, capture_output=True, check=False, env={"LC_ALL": "C.UTF-8"})

    assert (done.returncode, done.stderr) == (2, b"standard input: cannot be read: not UTF-8\n")


def test_no_standard_input_is_no_file_that_can_be_read() -> None:
    command = f"{sys.executable} -m mergesearch_cli.app validate - <&-"
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (2, "standard input: cannot be read: Bad file descriptor\n")
