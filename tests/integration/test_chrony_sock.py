"""The socket of a real ``chronyd -x``: what is sent is what it takes, over restarts, also without root."""

import grp
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from refclock import cli
from refclock.errors import PortError
from refclock.model import Publish
from refclock.ports import stamp
from refclock.sinks.chrony_sock import ChronySock
from tests.integration.chronyd import Chronyd

pytestmark = pytest.mark.integration

SPACING_S = 0.25
# A poll each 0.5 s, so that eight of them (reach 377) take 4 s.
OPTIONS = "poll -1 dpoll -3 filter 1 precision 1e-9 delay 1e-9"


@pytest.fixture
def path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cs-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory) / "chrony.refclock.sock"


@pytest.fixture
def start(require_program, path) -> Callable[..., Chronyd]:
    chronyd, chronyc = require_program("chronyd"), require_program("chronyc")
    return lambda options="": Chronyd(
        chronyd, chronyc, [f"refclock SOCK {path} refid VETD {OPTIONS} {options}"]
    )


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def sink(path, said) -> Iterator[ChronySock]:
    made = ChronySock(str(path), lambda priority, text: said.append(text))
    yield made
    made.close()


def _publish(sink: ChronySock, offset_ns: int) -> None:
    raw_ns, real_ns, _ = stamp.now()
    sink.take(Publish(raw_ns, real_ns + offset_ns, real_ns, leap=0, bound_ns=1000))


def _feed(sink: ChronySock, offset_ns: int, until: Callable[[], bool]) -> bool:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        _publish(sink, offset_ns)
        time.sleep(SPACING_S)
        if until():
            return True
    return False


@pytest.mark.parametrize("offset_ns", [-1_234_567, 987_654])
def test_chrony_takes_the_offset_to_the_nanosecond(start, sink, offset_ns):
    """``noselect``: chrony measures and does not correct."""
    with start("noselect") as chrony:
        sink.open()
        assert _feed(sink, offset_ns, lambda: chrony.sources()["VETD"].reach == "377"), chrony.log.read_text()
        # The local clock less the source; chronyc prints nanoseconds.
        measured_ns = round(chrony.sources()["VETD"].measured_s * 1e9)
        assert measured_ns == pytest.approx(-offset_ns, abs=1)


def test_chronyd_follows_it_restarts_and_misses_nothing(start, sink, said):
    with pytest.raises(PortError, match="No such file"):
        sink.open()
    for _ in range(2):
        with start() as chrony:
            assert _feed(sink, 0, lambda: chrony.sources()["VETD"].reach == "377"), said
            tracking = chrony.tracking()
            assert (tracking.name, tracking.stratum) == ("VETD", 1)
        for _ in range(3):
            _publish(sink, 0)
        assert "start chronyd with `refclock SOCK" in sink.state()
    connected = [text for text in said if text.endswith(": connected")]
    assert len(connected) == 2
    assert len(said) == 4  # each going is told once


PRODUCER = """
import os, sys
from refclock.model import Publish
from refclock.ports import stamp
from refclock.sinks.chrony_sock import ChronySock
os.setgroups([int(sys.argv[2])]); os.setgid(65534); os.setuid(65534)
said = []
sink = ChronySock(sys.argv[1], lambda priority, text: said.append(text))
raw_ns, real_ns, _ = stamp.now()
sink.take(Publish(raw_ns, real_ns, real_ns, 0, 1000))
print(sink.state() or said)
"""


def test_a_producer_without_root_needs_the_drop_in(start, path, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    group = grp.getgrnam("dialout").gr_gid
    python = Path(sys.executable)

    def produce() -> str:
        command = [str(python), "-c", PRODUCER, str(path), str(group)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        assert done.returncode == 0, done.stderr
        return done.stdout

    with start() as chrony:
        assert path.stat().st_uid == 0
        assert "permission denied" in produce()
        # What the drop-in's ExecStartPost= lines do.
        os.chown(path, -1, group)
        path.chmod(0o660)
        assert produce() == "connected, 1 sent\n"
        time.sleep(1)
        assert chrony.sources()["VETD"].reach != "0"


def test_check_judges_the_socket(start, path, tmp_path, capsys):
    config = tmp_path / "c.toml"

    def check(more: str = "") -> str:
        config.write_text(f'[sock]\npath = "{path}"\n{more}')
        cli.main(["check", "--config", str(config)])
        return " ".join(capsys.readouterr().out.split())

    assert f"warn chrony SOCK {path}: No such file or directory; start chronyd" in check()
    with ExitStack() as ends:
        ends.enter_context(start())
        assert f"ok chrony SOCK {path}: chronyd's, and ours to write to" in check()
        assert "warn chrony gets each second twice" in check("[shm]\nunit = 213\n")
        path.chmod(0o666)
        assert "FAIL chrony SOCK" in check()
