"""The demo as its user sees it: in a pipe, from the first line to the verdict, leaving nothing behind."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


@pytest.fixture
def place() -> Iterator[Path]:
    """A short path, as the demo needs it for its sockets."""
    with tempfile.TemporaryDirectory(prefix="demo-") as directory:
        yield Path(directory)


def _start(place: Path, *words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "refclock", "demo", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "TMPDIR": str(place)},
    )  # fmt: skip


def _children_of(directory: Path) -> list[str]:
    """The processes whose command line or working directory has to do with the demo's directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            told = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            place = os.readlink(process / "cwd")
        except OSError:
            continue
        if str(directory) in told or place.startswith(str(directory)):
            found.append(told)
    return found


def _segments() -> set[tuple[str, str]]:
    """Key and creator's pid of each segment in the range that the demo draws from."""
    rows = [line.split() for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]]
    return {(row[0], row[4]) for row in rows if 0x4E545030 + 100 <= int(row[0]) < 0x4E545030 + 256}


def _left_behind(place: Path, process: "subprocess.Popen[str]") -> list[object]:
    mine = [one for one in _segments() if one[1] == str(process.pid)]
    return [*mine, *_children_of(place), *place.glob("refclock-demo-*")]


def test_a_short_run_in_a_pipe_refuses_the_attack_and_leaves_nothing_behind(require_program, place):
    require_program("chronyd")
    kept = place / "kept"
    process = _start(place, "--seconds", "25", "--keep", str(kept), "--offset=-250ms")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out[out.find("verdict") :] + err
    assert err == ""
    assert "\x1b" not in out
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "Loosened, here only: dwell_warm_s 120 -> 5" in out
    assert "Attack: step:+100ms@15s (receiver's time steps)." in out
    # Each second has its line, and the attack is told where it begins.
    shown = [int(line[:4]) for line in lines if re.match(r" +\d+ s  [a-z]", line)]
    assert shown == sorted(set(shown))
    assert set(shown) >= set(range(5, 24))  # the first may pass while the daemon starts
    assert "  15 s  ** ATTACK step:+100ms@15s" in out
    judged = out[out.index("verdict:") :]
    assert judged.startswith("verdict: good\n")
    assert "chrony measured -250." in judged or "chrony measured -249.9" in judged
    assert "none published" in " ".join(judged.split())
    assert "byte for byte" in judged
    assert {path.name for path in kept.iterdir()} >= {"refclock.toml", "capture.jsonl", "chronyd.log"}
    verify = [sys.executable, "-m", "refclock", "replay", "--verify", str(kept / "capture.jsonl")]
    assert subprocess.run(verify, check=False, capture_output=True).returncode == 0
    assert _left_behind(place, process) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda n: n.name)
def test_a_signal_ends_it_early_and_nothing_is_left(require_program, place, number):
    require_program("chronyd")
    process = _start(place, "--seconds", "60", "--attack", "none")
    assert process.stdout is not None
    for line in process.stdout:
        if (told := re.match(r" +(\d+) s ", line)) and int(told[1]) >= 2:  # a busy machine may skip one
            break
    assert len(_children_of(place)) == 2  # the daemon and chronyd
    began = time.monotonic()
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert time.monotonic() - began < 5
    assert process.returncode == 130
    assert "Traceback" not in err
    assert _left_behind(place, process) == []
