"""A running daemon whose receiver is pulled out, put back under another number, and exchanged."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from refclock.capture import CaptureReader
from refclock.cli.status import ask
from refclock.errors import PortError
from refclock.model import Mark, PortChange, SerialBytes
from refclock.ports.hotplug import HOTPLUG_PORT
from tests.integration.personalities import START_S, voiced

pytestmark = pytest.mark.integration

SOURCE = Path(__file__).resolve().parents[2] / "src"
NAME = "/dev/refclock/gps0"
CONFIG = """\
[receiver]
device = "{device}"
protocol = "nmea"
{more}
[status]
socket = "{there}/status"
[state]
file = "{there}/state"
"""


class Life:
    """One life of the daemon, in umockdev's test bed."""

    def __init__(self, there: Path, in_bed: Any, more: str = "") -> None:
        self._there = there
        (there / "refclock.toml").write_text(CONFIG.format(device=NAME, there=there, more=more))
        command = [sys.executable, "-m", "refclock", "run", "--config", there / "refclock.toml"]
        command += ["--capture", there / "capture.jsonl"]
        with (there / "log").open("ab") as log:
            self.process = subprocess.Popen(
                in_bed(*map(str, command)), stdin=subprocess.PIPE, stderr=log, text=True,
                env={**os.environ, "PYTHONPATH": str(SOURCE)},
            )  # fmt: skip

    def order(self, **order: object) -> None:
        """See umockdev_bed.py."""
        assert self.process.stdin is not None
        print(json.dumps(order), file=self.process.stdin, flush=True)

    def log(self) -> str:
        return (self._there / "log").read_text()

    def gps(self, up: bool, words: str = "", within_s: float = 20) -> str:
        """Wait until the receiver's port is in this state for this reason; the whole reason."""

        def right(document: Any) -> bool:
            port = document["daemon"]["ports"].get("gps0", {})
            return port.get("up") is up and words in port["reason"]

        return str(self.until(right, within_s)["daemon"]["ports"]["gps0"]["reason"])

    def until(self, right: Callable[[Any], bool], within_s: float = 20) -> Any:
        """The first status document for which this holds."""
        end = time.monotonic() + within_s
        document: Any = None
        while time.monotonic() < end:
            with suppress(PortError):
                document = ask(f"{self._there}/status")
                if right(document):
                    return document
            assert self.process.poll() is None, self.log()
            time.sleep(0.05)
        pytest.fail(f"not within {within_s} s: {document}\n{self.log()}")

    def events(self) -> list[Any]:
        with CaptureReader(str(self._there / "capture.jsonl")) as capture:
            return list(capture)

    def __enter__(self) -> "Life":
        return self

    def __exit__(self, *exception: object) -> None:
        if self.process.poll() is None:
            self.order(stop=True)
        if self.process.stdin is not None:
            self.process.stdin.close()
        assert self.process.wait(20) == 0 or exception[0], self.log()


class Socket:
    """What is plugged in on USB, and its name /dev/refclock/gps0."""

    def __init__(self, usb_line: Any, bed: Any, there: Path) -> None:
        self._usb_line, self._bed, self._there = usb_line, bed, there
        self._line = ""

    def life(self, serial: str, more: str = "", node: str = "ttyUSB0") -> Life:
        """A daemon that starts with this one plugged in."""
        text, self._line = self._described(serial, node)
        (self._there / "played").write_text(text)
        life = Life(self._there, lambda *command: self._bed(self._there / "played", *command), more)
        life.order(link=["refclock/gps0", f"../{node}"])
        return life

    def _described(self, serial: str, node: str) -> tuple[str, str]:
        number = int(node.removeprefix("ttyUSB"))
        text, line = self._usb_line(
            "0403:6001", serial=serial, chip="ftdi_sio", node=node, major=188, minor=number, link="gps0"
        )
        return text, line

    def pull(self, life: Life) -> None:
        life.order(unlink="refclock/gps0")
        life.order(uevent=[f"/sys{self._line}", "remove"])
        # The whole branch of the tree: the next one brings its own.
        life.order(clear="/devices/pci0000:00/0000:00:14.0/usb1/1-2")

    def plug(self, life: Life, serial: str, node: str) -> None:
        text, self._line = self._described(serial, node)
        life.order(add=text)
        life.order(link=["refclock/gps0", f"../{node}"])
        life.order(uevent=[f"/sys{self._line}", "add"])


@pytest.fixture
def socket(usb_line, bed, tmp_path):
    return Socket(usb_line, bed, tmp_path)


def test_the_same_receiver_comes_back_under_another_number_and_another_one_is_refused(socket, tmp_path):
    with socket.life("FT1") as life:
        assert "0403:6001 serial FT1" in life.gps(True)
        socket.pull(life)
        # What else is plugged in may not be what is waited for: so it is said.
        life.gps(False, "no such device, expected 0403:6001 serial FT1; plug the receiver in")
        time.sleep(4)  # its own looks are 4 s apart by now
        began = time.monotonic()
        socket.plug(life, "FT1", "ttyUSB1")
        life.gps(True, "serial FT1", 5)
        took_s = time.monotonic() - began
        life.order(say=["/dev/ttyUSB1", voiced("nmea")(START_S).decode("latin-1")])
        life.until(lambda document: document["mode"] != "cold")
        socket.pull(life)
        life.gps(False)
        socket.plug(life, "FT2", "ttyUSB2")
        reason = life.gps(False, "another receiver")
        assert "found 0403:6001 serial FT2, expected 0403:6001 serial FT1" in reason
        assert 'set serial = "FT2"' in reason
        assert reason in life.log()
        socket.pull(life)
        socket.plug(life, "FT1", "ttyUSB3")
        life.gps(True, "serial FT1")
    events = life.events()
    notes = [event.text for event in events if isinstance(event, Mark) and event.text.startswith("udev: ")]
    assert "udev: add /dev/ttyUSB1, called /dev/refclock/gps0" in notes
    assert "udev: remove /dev/ttyUSB1, called /dev/refclock/gps0" in notes
    assert [event.up for event in events if isinstance(event, PortChange) and event.port == HOTPLUG_PORT] == [
        True
    ]
    assert b"RMC" in b"".join(event.data for event in events if isinstance(event, SerialBytes))
    # Who it is survives a restart; and the configuration's word goes before what is remembered.
    with socket.life("FT2") as life:
        life.gps(False, "another receiver")
    with socket.life("FT2", 'serial = "FT2"') as life:
        life.gps(True, "serial FT2")
    with socket.life("FT2") as life:
        life.gps(True, "serial FT2")
    # Last, for a busy machine may be late, and then the rest has been seen all the same.
    assert took_s < 3, "it was found by looking, not by udev's word"
