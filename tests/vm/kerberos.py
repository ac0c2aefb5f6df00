"""Scenarios of a Kerberos host: a server that lives by refclock.kerberos, and a clock that must go back."""

import json
from pathlib import Path
from typing import Any

from refclock.units import NS_PER_S
from tests.vm import site
from tests.vm.bench import Bench, off_ns, since
from tests.vm.image import HOME
from tests.vm.record import Figures, judge

_DIR, _SERVER = "/root/server", Path(__file__).parent / "server.py"
_AHEAD_S = 90
_SERVICE = "host/kdc1"


def _said(bench: Bench, number: int) -> dict[str, Any]:
    text = bench.wait(
        f"the server's word {number}", f"cat {_DIR}/said.{number} 2>/dev/null || ! cat {_DIR}/log"
    )
    told = json.loads(text)
    assert isinstance(told, dict)
    return told


def _set(bench: Bench, seconds: int) -> None:
    bench.run(f"date --set='{seconds:+} seconds' >/dev/null")


def _told_right(bench: Bench, mark: tuple[int, int]) -> Figures:
    """Root's own steps are not judged; what programs were told is."""
    bench.rest(1)
    figures = judge(*bench.recorder.since(mark))
    assert figures.outside == 0, f"programs were told a wrong time {figures.outside} times"
    return figures


def library(bench: Bench) -> str:
    """Root sets the clock by +400, +300 and -700 s: a replay cache, an offset to the KDC, nonces and a
    deadline hold; after a reboot nothing of them does."""
    bench.settled()
    mark = bench.recorder.mark()
    bench.run(f"rm -rf {_DIR}; mkdir -m 700 {_DIR}")
    bench.machine.put(f"{_DIR}/server.py", _SERVER.read_bytes())
    command = f"{HOME}/bin/python {_DIR}/server.py {_DIR} {site.REALM}"
    bench.run(f"setsid {command} > {_DIR}/log 2>&1 < /dev/null &")
    said = [_said(bench, 0)]
    for number, seconds in enumerate((400, 300, -700), 1):
        _set(bench, seconds)
        bench.run(f"touch {_DIR}/go.{number}")
        said.append(_said(bench, number))
    _told_right(bench, mark)
    began, ahead, later, back = said
    assert (began["new"], began["again"], began["early"]) == ("ACCEPTED", "REPLAYED", "EARLY")
    assert 0 < began["wait_s"] <= 60
    for one, moved_s in ((ahead, 400), (later, 700), (back, 0)):
        # Uptime goes on, and the offset to the KDC with it; the nonce is good, the ticket ends in time.
        assert abs(one["clock_s"] - one["uptime_s"] - moved_s) < 2, one
        assert abs(one["kdc_s"] - one["uptime_s"]) < 0.5, one
        assert one["nonce"], one
        assert abs(one["left_s"] + one["uptime_s"] - 600) < 2, one
    assert ahead["expired"] == ahead["early"] == "REPLAYED", ahead
    assert ahead["refused"].startswith("OffsetRefusedError"), ahead
    assert later["later"] == "ACCEPTED", later
    assert back["old"] == "DISCARDED", back
    assert 600 < back["set_back_s"] < 701, back
    bench.machine.reboot()
    bench.run(f"{command} after")
    booted = _said(bench, 4)
    assert booted == {"since": None, "restored": 0, "nonce": False, "another": True, "passed": True}
    bench.fed(180)
    bench.wait("krb5-kdc runs", "systemctl is-active krb5-kdc", 180)
    return (
        f"replays refused at +400 and -700 s (set back by {back['set_back_s']:.0f} s), the KDC's new time "
        "refused, nonce and deadline kept; all void after the reboot"
    )


def _typed(told: str) -> list[str]:
    """The command lines among what `refclock setback` tells."""
    return [line.strip() for line in told.splitlines() if line.startswith("    ")]


def set_back(bench: Bench) -> str:
    """The clock is 90 s ahead; `refclock setback` leads through, and what it prints is typed as printed."""
    verb = f"refclock setback --config {site.CONFIG}"
    bench.settled()
    bench.run(f"kadmin.local -q 'addprinc -randkey {_SERVICE}'")
    site.kinit(bench.machine)
    bench.run("cp $(klist | sed -n 's/^Ticket cache: FILE://p') /root/before")
    mark = bench.recorder.mark()
    _set(bench, _AHEAD_S)
    bench.until("it is said", lambda told: "clock-ahead" in json.dumps(told["system"]["alarms"]), 60)
    status = " ".join(bench.run(f"refclock status --config {site.CONFIG}", check=False).split())
    assert "do not set it back by hand" in status, status
    begun = bench.machine.run(f"{verb} --go --reason 'somebody set it ahead'", check=False)
    assert begun.status == 1, begun.output
    typed = 0
    for step in ("stop", "set", "keys", "caches", "start"):
        told = bench.machine.run(f"{verb} --resume", check=False).output
        if step != "caches":
            for command in _typed(told):
                bench.run(command)
                typed += 1
        done = bench.machine.run(f"{verb} --done {step}{'=keep' if step == 'caches' else ''}", check=False)
        assert done.status == 0, f"{step}: {told}\n{done.output}"
    bench.kdc_runs()
    _told_right(bench, mark)
    old = bench.machine.run(f"KRB5CCNAME=/root/before kvno {_SERVICE}", check=False)
    assert old.status != 0, f"a ticket from before is still good: {old.output}"
    site.kinit(bench.machine)
    bench.fed(120)
    status_now = bench.until("the clock is right", lambda told: abs(off_ns(told)) < NS_PER_S // 100, 180)
    versions = bench.run(
        f"kadmin.local -q 'getprinc krbtgt/{site.REALM}' | grep '^Key: vno' | cut -d, -f1 | sort -u"
    )
    assert "vno 1" not in versions, versions
    since(bench, mark)
    return (
        f"alarm, {typed} command lines typed as printed, {off_ns(status_now) / 1e6:+.1f} ms off afterwards; "
        f"the ticket from before is refused ({old.output.strip().splitlines()[-1]}), a new kinit has one"
    )
