"""What the daemon costs: start-up, resident memory, CPU per hour, and from a message's last byte to chrony.

usage: python bench/daemon.py [--seconds N] [--runs N]

The daemon runs on the emulated world (a receiver on a pty, its pulse, an RTC, NTP servers on loopback) with
a segment of its own; no clock is set and no chronyd runs. gpsd, where it is installed, hears the same bytes
at the same time, in an IPC namespace of its own. Latency is from before the write of the message's last
bytes to the pty until the segment shows the sample: the kernel's share and our looking are in it.
"""

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import tty
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path

import sysv_ipc
from measure import LOOP, NOTHING, best, refclock, script

from refclock.ports import stamp
from refclock.runtime import StateFile
from refclock.sinks.segment import find
from refclock.stage.play import Stage
from refclock.stage.site import claim_unit, enrolment, policy_text, remove_segment
from refclock.wire import shm

DWELL_S = 5
SETTLE_S = 12  # the dwell, and what is imported and allocated but once
PATIENCE_NS = 80_000_000
NEVER_NS = 400_000_000


class Watched(Stage):
    """The emulated world; it lets an eavesdropper hear, and tells when a second's first message is whole."""

    eavesdropper: int | None = None

    def watch(self) -> None:
        """From here on ``said`` is set for each second, at ``said_ns`` on the raw counter."""
        self.said = threading.Event()
        self.said_ns = 0
        self._latest_ns = 0

    def _say(self, data: bytes, due_ns: int) -> None:
        now_ns = stamp.raw()
        super()._say(data, due_ns)
        if self.eavesdropper is not None:
            with suppress(OSError):
                os.write(self.eavesdropper, data)
        if b"\n" in data and now_ns - self._latest_ns > NEVER_NS:
            self._latest_ns = self.said_ns = now_ns
            self.said.set()


def cpu_ns(pid: int) -> int:
    """User and system time of a process so far (proc(5), fields 14 and 15 of stat), from its scheduler's
    own count in ns where the kernel shows that."""
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def memory_kib(pid: int) -> dict[str, int]:
    """Resident memory by kind (proc(5), status)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith(("VmRSS", "Rss"))}


def start_up(runs: int, config: Path) -> None:
    """From the start of the process to the end of a daemon that has nothing more to do."""
    found = best(
        runs,
        {
            "python": script(NOTHING),
            "run": refclock("run", "--config", str(config), "--seconds", "0"),
            "loop": script(LOOP),
        },
    )
    ours, python = found["run"], found["python"]
    print(
        f"start-up    {ours.wall_ns / 1e9:.3f} s (CPU {ours.cpu_ns / 1e9:.3f} s); "
        f"{ours.wall_ns / python.wall_ns:.1f} times a bare interpreter's {python.wall_ns / 1e9:.3f} s; "
        f"{ours.cpu_ns / found['loop'].cpu_ns:.2f} loops"
    )
    told = subprocess.run(
        [sys.executable, "-X", "importtime", *refclock("run", "--config", str(config), "--seconds", "0")[1:]],
        capture_output=True, text=True, check=True,
    ).stderr  # fmt: skip
    spent: Counter[str] = Counter()
    for line in told.splitlines():
        parts = line.removeprefix("import time:").split("|")
        if len(parts) == 3 and parts[0].strip().isdigit():
            name = parts[2].strip()
            spent["refclock" if name.startswith("refclock") else name.partition(".")[0]] += int(parts[0])
    shown = ", ".join(f"{name} {us / 1000:.1f}" for name, us in spent.most_common(12))
    print(f"  imports   {sum(spent.values()) / 1000:.0f} ms under -X importtime: {shown}")


def eavesdrop(stage: Watched, ends: ExitStack) -> int | None:
    """gpsd on a pty of its own that says the same; its process id, or None where it cannot run."""
    programs = shutil.which("unshare"), shutil.which("gpsd")
    if None in programs:
        print("peer        gpsd or unshare is not installed")
        return None
    master, slave = os.openpty()
    ends.callback(os.close, master)
    ends.callback(os.close, slave)
    tty.setraw(slave)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    # Its own IPC namespace: gpsd would write the segments of units that a chronyd of this host may read.
    child = subprocess.Popen(
        ["unshare", "--ipc", "gpsd", "-N", "-n", "-S", str(port), os.ttyname(slave)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    ends.callback(child.wait)
    ends.callback(child.terminate)
    time.sleep(1)
    if child.poll() is not None:
        print("peer        gpsd does not run here (it needs the right to unshare)")
        return None
    os.set_blocking(master, False)
    stage.eavesdropper = master
    return child.pid


def latencies(stage: Watched, unit: int, until: float) -> list[int]:
    """For each second: from the message's last bytes to the sample in the segment, in ns."""
    found = find(unit)
    assert found is not None
    segment: sysv_ipc.SharedMemory = found[0]
    took = []
    count = shm.read_int(segment.read(4, shm.COUNT_AT))
    while time.monotonic() < until:
        if not stage.said.wait(2):
            continue
        stage.said.clear()
        began = stage.said_ns
        while (now := stamp.raw()) - began < PATIENCE_NS:
            seen = shm.read_int(segment.read(4, shm.COUNT_AT))
            if seen != count and seen % 2 == 0:
                count = seen
                took.append(now - began)
                break
    segment.detach()
    return took


def measure(stage: Watched, unit: int, seconds: int, recorded: bool, ends: ExitStack) -> None:
    """One daemon for so many seconds."""
    directory = stage.device.parent
    capture = ["--capture", str(directory / "capture.jsonl")] if recorded else []
    config = str(directory / "refclock.toml")
    peer = eavesdrop(stage, ends)
    with (directory / "log").open("w") as log:
        daemon = subprocess.Popen(refclock("run", "--config", config, *capture), stderr=log)
    ends.callback(daemon.wait)
    ends.callback(daemon.terminate)
    time.sleep(SETTLE_S)
    pids = {"refclock": daemon.pid} | ({"gpsd": peer} if peer is not None else {})
    before = {name: cpu_ns(pid) for name, pid in pids.items()}
    began = time.monotonic()
    took = latencies(stage, unit, began + seconds)
    wall_s = time.monotonic() - began
    per_hour = {name: (cpu_ns(pid) - before[name]) / wall_s * 3600 / 1e9 for name, pid in pids.items()}
    print(f"{'with' if recorded else 'without'} a capture, over {wall_s:.0f} s:")
    for name, pid in pids.items():
        resident = memory_kib(pid)
        print(f"  {name:<10}CPU {per_hour[name]:6.2f} s/h   RSS {resident['VmRSS'] / 1024:5.1f} MiB, "
              f"of it anonymous {resident['RssAnon'] / 1024:5.1f}")  # fmt: skip
    if peer is not None:
        print(f"  ratio     CPU {per_hour['refclock'] / per_hour['gpsd']:6.2f}")
    if took:
        took.sort()
        print(f"  latency   {len(took)} samples: best {took[0] / 1e6:.2f} ms, median "
              f"{statistics.median(took) / 1e6:.2f} ms, 95 % {took[len(took) * 95 // 100] / 1e6:.2f} ms, "
              f"worst {took[-1] / 1e6:.2f} ms")  # fmt: skip
    else:
        print(
            f"  latency   no sample was published; the daemon said: {(directory / 'log').read_text()[-400:]}"
        )


def main() -> int:
    """Start-up first, then a daemon without and one with a capture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=60, help="of measuring each daemon (60)")
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    for recorded in (False, True):
        with ExitStack() as ends:
            directory = Path(ends.enter_context(tempfile.TemporaryDirectory()))
            unit = claim_unit()
            ends.callback(remove_segment, unit)
            stage = Watched(directory)
            stage.watch()
            ends.enter_context(stage)
            StateFile(str(directory / "state.json"), lambda _priority, _text: None).save(enrolment(stage))
            config = directory / "refclock.toml"
            text = policy_text(
                stage, directory, profile="kdc", personality="nmea", unit=unit, dwell_s=DWELL_S
            )
            config.write_text(text)
            if not recorded:
                start_up(args.runs, config)
            measure(stage, unit, args.seconds, recorded, ends)
    return 0


if __name__ == "__main__":
    sys.exit(main())
