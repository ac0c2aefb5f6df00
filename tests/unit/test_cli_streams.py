"""What every verb does about standard streams that are closed, full, or read by nobody."""

import subprocess
import sys

import pytest

REFCLOCK = [sys.executable, "-m", "refclock"]


def test_a_full_disk_is_one_line():
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [*REFCLOCK, "--help"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    assert done.returncode == 2
    assert done.stderr == "refclock: what was found cannot be written: No space left on device.\n"


def test_a_reader_that_left_is_no_error():
    script = '{ "$@"; echo $? >&2; } | true'
    done = subprocess.run(
        ["sh", "-c", script, "sh", *REFCLOCK, "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == "0\n"


@pytest.mark.parametrize(("closed", "status"), [("<&-", 2), (">&-", 2), ("<&- >&- 2>&-", 2)])
def test_closed_streams_are_no_traceback(closed, status):
    done = subprocess.run(
        ["sh", "-c", f'"$@" {closed}', "sh", *REFCLOCK, "replay", "-"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == status
    assert "Traceback" not in done.stderr
