"""A run that lasts: memory, descriptors and journal stay as they are, the clock stays where it should through
what happens to any receiver now and then, and the capture of it all comes to the same decisions on the host.
"""

import base64
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.vm import site
from tests.vm.bench import Bench, check, since

_PIECE = 96 * 1024
_ROUND_S = 60
# What CPython's allocator may still want once everything has been done once.
_MORE_KIB = 1024
# NTP sockets come and go; a capture, the sinks and the ports stay.
_MORE_DESCRIPTORS = 6
# A silence is told when it begins and when it ends, with the modes in between.
_BYTES_A_ROUND = 4000


@dataclass(frozen=True, slots=True)
class Weight:
    """What the daemon takes up: resident memory (KiB), open descriptors, bytes in the journal."""

    memory_kib: int
    descriptors: int
    journal: int


def _weigh(bench: Bench) -> Weight:
    pid = bench.run(f"systemctl show -P MainPID {site.UNIT}")
    told = bench.run(
        f"awk '/VmRSS/{{print $2}}' /proc/{pid}/status; ls /proc/{pid}/fd | wc -l; "
        f"journalctl -u {site.UNIT} -o cat --no-pager | wc -c"
    )
    return Weight(*(int(one) for one in told.split()))


def _fetch(bench: Bench, path: str, to: Path) -> None:
    """A file of the guest's, in pieces that its agent can send."""
    with to.open("wb") as file:
        while data := base64.b64decode(
            bench.run(f"tail -c +{file.tell() + 1} {path} | head -c {_PIECE} | base64 -w0")
        ):
            file.write(data)


def endures(bench: Bench) -> str:
    """For as many minutes as REFCLOCK_VM_MINUTES says (2); once a minute the antenna is gone for 12 s."""
    minutes = max(2, int(os.environ.get("REFCLOCK_VM_MINUTES", "2")))
    bench.settled()
    # Begun anew, so that the capture is of this run and nothing else.
    bench.run(
        f"systemctl stop {site.UNIT}; rm -f {site.CAPTURE} {site.DECISIONS}; systemctl start {site.UNIT}"
    )
    bench.fed()
    bench.settled()
    mark = bench.recorder.mark()
    weights = []
    for _ in range(minutes):
        with bench.attack("gap:1h"):
            bench.until("holdover", lambda told: told["mode"] == "holdover", 30)
            bench.rest(4)
        bench.fed()
        bench.rest(_ROUND_S - 30)
        weights.append(_weigh(bench))
    figures = check(since(bench, mark))
    first, last = weights[0], weights[-1]
    grown_kib = last.memory_kib - first.memory_kib
    assert grown_kib <= _MORE_KIB, weights
    assert last.descriptors <= first.descriptors + _MORE_DESCRIPTORS, weights
    told_each = (last.journal - first.journal) // (minutes - 1)
    assert told_each <= _BYTES_A_ROUND, weights
    bench.kdc_runs()
    return (
        f"{minutes} rounds, {last.memory_kib / 1024:.1f} MiB ({grown_kib:+} KiB), "
        f"{last.descriptors} descriptors, {told_each} bytes of journal a round; {_replayed(bench)}; {figures}"
    )


def _replayed(bench: Bench) -> str:
    """The capture decides to the same on the host, to the last byte."""
    capture, decisions = bench.kept / "capture.jsonl", bench.kept / "decisions.jsonl"
    bench.run(f"systemctl stop {site.UNIT}")
    try:
        _fetch(bench, site.CAPTURE, capture)
        _fetch(bench, site.DECISIONS, decisions)
    finally:
        bench.run(f"systemctl start {site.UNIT}")
    events, decided = (path.read_bytes().count(b"\n") for path in (capture, decisions))
    command = [sys.executable, "-m", "refclock", "replay", str(capture), "--decisions"]
    again = subprocess.run(command, capture_output=True, check=False)
    assert again.returncode == 0, again.stderr.decode()
    assert again.stdout == decisions.read_bytes(), "other decisions on the host"
    bench.fed()
    return f"{events} events, {decided} decisions, the same on the host"
