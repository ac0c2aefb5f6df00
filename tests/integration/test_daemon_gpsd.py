"""The whole daemon beside Debian's gpsd, which owns the receiver of the emulated world: the name of each
second through gpsd, the pulse without it, and what reaches a real ``chronyd -x``."""

import json
import re
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from refclock.cli.status import ask
from refclock.errors import PortError
from refclock.runtime import StateFile
from refclock.stage.chronyd import ChronydX
from refclock.stage.daemon import CAPTURE, CONFIG, DECISIONS, STATE, Daemon, verify_replay
from refclock.stage.play import Stage
from refclock.stage.site import claim_unit, enrolment, policy_text, remove_segment
from refclock.units import NS_PER_MS, NS_PER_US
from tests.integration.gpsd import Gpsd

pytestmark = pytest.mark.integration

OFFSET_NS = 3 * NS_PER_MS
TOLERANCE_NS = 100 * NS_PER_US
LIFE_S = 120
# A gpsd vouches for no count of leap seconds, so the dwell is the cold one.
COLD = """dwell_cold_s = 5
[loosened]
dwell_cold_s = "an emulation lasts a minute"
"""


class House:
    """The emulated world, gpsd before its receiver, and the daemon."""

    def __init__(self, require: Callable[[str], str], directory: Path, ends: ExitStack) -> None:
        self.directory = directory
        self.unit = claim_unit()
        ends.callback(remove_segment, self.unit)
        self.stage = ends.enter_context(Stage(directory, "nmea", offset_ns=OFFSET_NS))
        self.gpsd = ends.enter_context(Gpsd(require, str(self.stage.device)))
        text = policy_text(
            self.stage, directory, profile="kdc", personality="nmea", unit=self.unit, dwell_s=5
        ).replace("[loosened]\n", COLD)
        address = f"gpsd://127.0.0.1:{self.gpsd.port}{self.stage.device}"
        receiver = f'[receiver]\ndevice = "{address}"\n\n[pps]'
        (directory / CONFIG).write_text(re.sub(r"\[receiver\].*?\[pps\]", receiver, text, flags=re.S))
        assert StateFile(str(directory / STATE), print).save(enrolment(self.stage))
        self.daemon = ends.enter_context(Daemon(directory, LIFE_S))

    def until(self, condition: Callable[[dict[str, Any]], object], seconds: float = 40) -> dict[str, Any]:
        end = time.monotonic() + seconds
        document: dict[str, Any] = {}
        while time.monotonic() < end:
            with suppress(PortError):
                document = ask(f"{self.directory}/status.sock")
                if condition(document):
                    return document
            assert self.stage.error is None
            time.sleep(0.1)
        pytest.fail(f"not within {seconds} s: {json.dumps(document)}\n{self.daemon.log()}")


@pytest.fixture
def house(require_program) -> Iterator[House]:
    # Short, for a Unix socket's path ends at 107 bytes; and gpsd, no longer root, must reach the pty.
    directory = Path(tempfile.mkdtemp(prefix="gh-"))
    directory.chmod(0o711)
    with ExitStack() as ends:
        ends.callback(shutil.rmtree, directory, ignore_errors=True)
        yield House(require_program, directory, ends)


def test_seconds_named_by_a_real_gpsd_reach_chrony_and_replay_bit_for_bit(house, require_program):
    require_program("chronyd")
    with ChronydX(house.directory, house.unit, LIFE_S) as chronyd:
        told = house.until(lambda told: told["mode"] == "vetted" and told["counters"]["published"] >= 3)
        lead_ns = house.stage.truth.lead_ns()
        end = time.monotonic() + 20
        while (heard := chronyd.ask()) is None or not heard.reach:
            assert time.monotonic() < end
            time.sleep(0.25)
        assert heard.last_ns == pytest.approx(lead_ns, abs=TOLERANCE_NS)
    assert told["daemon"]["ports"]["gps0"]["up"] is True

    house.gpsd.process.send_signal(signal.SIGSTOP)  # SIGSTOP: it falls silent, and stalls nobody
    told = house.until(lambda told: told["mode"] == "holdover")
    slow = told["daemon"]["slow_turns"]
    house.gpsd.process.send_signal(signal.SIGCONT)
    told = house.until(lambda told: told["mode"] == "vetted")
    assert told["daemon"]["slow_turns"] <= slow + 2  # a busy machine may preempt the loop all the same

    house.gpsd.stop()
    told = house.until(lambda told: told["mode"] == "holdover")
    assert told["daemon"]["ports"]["gps0"]["up"] is False
    house.gpsd.start()
    house.until(lambda told: told["mode"] == "vetted")

    assert house.daemon.stop() == 0
    assert verify_replay(house.directory) == ""
    published = [
        one
        for one in map(json.loads, (house.directory / DECISIONS).read_text().splitlines())
        if one["d"] == "publish"
    ]
    for one in published:
        assert abs(one["utc"] - one["sys"] - house.stage.truth.lead_ns()) < min(one["bound"], TOLERANCE_NS)
    lines = (house.directory / CAPTURE).read_text().splitlines()
    header, events = json.loads(lines[0]), [json.loads(line) for line in lines[1:-1]]
    assert header["ports"]["gps0"]["protocol"] == "gpsd"
    heard_bytes = "".join(one["data"] for one in events if one["k"] == "rx")
    assert heard_bytes.startswith('{"class":"VERSION"')
    assert {one["data"] for one in events if one["k"] == "tx"} >= {"?DEVICES;\n", "?POLL;\n"}
