"""KernelPps and RtcPort, unmodified, against a /dev/pps0 and an RTC that umockdev plays.

The test bed needs GObject introspection, which belongs to the system's Python; our own runs as its child.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from refclock.units import NS_PER_MS, NS_PER_S

# Edges at every whole second of CLOCK_REALTIME, asked for like any kernel would answer: with the latest.
TESTBED = r"""
import struct, subprocess, sys, threading, time
import gi
gi.require_version("UMockdev", "1.0")
from gi.repository import GLib, UMockdev

bed = UMockdev.Testbed.new()
bed.add_from_string('''P: /devices/virtual/pps/pps0
N: pps0
E: SUBSYSTEM=pps
E: DEVNAME=/dev/pps0
A: dev=250:0

P: /devices/rtc0
E: SUBSYSTEM=rtc
A: since_epoch=1\\n
''')

class Pps(UMockdev.IoctlBase):
    def do_handle_ioctl(self, client):
        number = client.get_request() & 0xffff
        def answer(data):
            client.get_arg().resolve(0, len(data)).update(0, list(data))
            client.complete(0, 0)
        if number == 0x70a3:
            answer(struct.pack("=i", 0x1133))
        elif number == 0x70a1:
            answer(struct.pack("=iiqiIqiI", 1, 0x1133, 0, 0, 0, 0, 0, 0))
        elif number == 0x70a4:
            now = int(time.time())
            answer(struct.pack("=IIqiIqiIi4xqiI", now & 0xffff, 0, now, 42, 0, 0, 0, 0, 0x1133, 0, 0, 0))
        else:
            client.complete(-1, 25)
        return True

pps = Pps()
bed.attach_ioctl("/dev/pps0", pps)
def beat():
    bed.set_attribute("/sys/devices/rtc0", "since_epoch", "%d\n" % time.time())
    GLib.timeout_add(max(1, int(1000 - time.time() % 1 * 1000)), beat)
    return False
beat()
loop = GLib.MainLoop()
status = []
def child():
    status.append(subprocess.run(sys.argv[1:]).returncode)
    loop.quit()
threading.Thread(target=child, daemon=True).start()
loop.run()
sys.exit(status[0])
"""

CHILD = r"""
import dataclasses, json, time
from refclock.policy import PpsSettings, RtcSettings
from refclock.ports import stamp
from refclock.ports.pps import open_pps
from refclock.ports.rtc import RtcPort

ports = [open_pps(PpsSettings("/dev/pps0"), "pps0"), RtcPort(RtcSettings("/sys/devices/rtc0"), "rtc0")]
events = [event for port in ports for event in port.open()]
begin = stamp.raw()
# 4.5 s will do; on a busy machine as many more as it takes to see the first tick.
while (now := stamp.raw()) < begin + 30_000_000_000:
    if now > begin + 4_500_000_000 and any(type(event).__name__ == "RtcTick" for event in events):
        break
    due = min(port.wake_at() for port in ports)
    time.sleep(max(0, min(due, now + 1_000_000_000) - now) / 1e9)
    for port in ports:
        events += port.on_timer(stamp.raw())
for port in ports:
    port.close()
for event in events:
    print(json.dumps({"kind": type(event).__name__, **dataclasses.asdict(event)}))
"""


@pytest.fixture(scope="module")
def events(tmp_path_factory, umockdev):
    folder = tmp_path_factory.mktemp("umockdev")
    (folder / "testbed.py").write_text(TESTBED)
    (folder / "child.py").write_text(CHILD)
    source = Path(__file__).resolve().parents[2] / "src"
    done = subprocess.run(
        umockdev(folder / "testbed.py", sys.executable, folder / "child.py"),
        capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": str(source)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.integration
def test_edges_of_a_device_node(events):
    edges = [event for event in events if event["kind"] == "PpsEdge"]
    assert len(edges) >= 3
    seqs = [edge["seq"] for edge in edges]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    for edge in edges:
        assert edge["at_ns"] % NS_PER_S == 42
        assert edge["edge"] == "assert"
        # Generous: two shared cores, and every ioctl of the test bed's crosses two processes.
        assert 0 <= edge["real_ns"] - edge["at_ns"] < 300 * NS_PER_MS


@pytest.mark.integration
def test_ticks_of_an_attribute_in_sysfs(events):
    ticks = [event for event in events if event["kind"] == "RtcTick"]
    assert ticks
    for tick in ticks:
        late_ns = tick["real_ns"] - tick["rtc_s"] * NS_PER_S
        assert -tick["unc_ns"] <= late_ns < 300 * NS_PER_MS, "the bed writes it a little after the second"
