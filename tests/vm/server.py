"""Runs inside the guest: a Kerberos server's view of time, with refclock.kerberos, while root sets the clock.

    python server.py DIR REALM          waits for DIR/go.1, .2, .3 and says what it finds in DIR/said.0 to .3
    python server.py DIR REALM after    the same host after a reboot, in DIR/said.4

The clock must be set by +400 s before go.1, by +300 s before go.2 and by -700 s before go.3.
"""

import json
import sys
import time
from pathlib import Path

from refclock.errors import RefclockError
from refclock.kerberos import Kdc, KdcOffset, NonceWindow, ReplayCache, UptimeClock, local_deadline
from refclock.kerberos.deadline import Deadline
from refclock.kerberos.uptime import Mark

_S = 10**9
_EARLY_S, _TICKET_S = 500, 600
_OLD, _EARLY, _LATE = b"an authenticator", b"one whose time has not come", b"one of later"


def main() -> None:
    """Before the reboot."""
    place, realm = Path(sys.argv[1]), sys.argv[2]
    uptime, nonces = UptimeClock(), NonceWindow()
    cache = ReplayCache(str(place / "rcache"), new_key=True)
    offset = KdcOffset(realm, [Kdc(("127.0.0.1", 88))])
    offset.refresh()
    mark, began_ns, kdc_ns = uptime.mark(), time.time_ns(), offset.now().utc_ns
    nonce = nonces.preferred()
    deadline = local_deadline(began_ns, began_ns + _TICKET_S * _S, uptime)

    def say(number: int, **found: object) -> None:
        since = uptime.since(mark)
        assert since is not None
        told = {
            "uptime_s": since / _S,
            "clock_s": (time.time_ns() - began_ns) / _S,
            "kdc_s": (offset.now().utc_ns - kdc_ns) / _S,
            "nonce": nonces.accepts(nonce),
            "left_s": deadline.left_ns(uptime) / _S,
            **found,
        }
        _write(place, number, told)

    def judged(what: bytes, stamp_ns: int) -> str:
        return cache.judge(what, stamp_ns).name

    old, early = (_OLD, began_ns), (_EARLY, began_ns + _EARLY_S * _S)
    say(0, new=judged(*old), again=judged(*old), early=judged(*early), wait_s=offset.wait_ns() / _S)
    kept = {"boot": mark.boot.hex(), "at_ns": mark.at_ns, "nonces": nonces.saved(), "nonce": nonce.hex()}
    (place / "kept.json").write_text(json.dumps(kept))

    _await(place, 1)
    try:
        offset.refresh()
        refused = ""
    except RefclockError as error:
        refused = f"{type(error).__name__}: {error}"
    say(1, expired=judged(*old), early=judged(*early), refused=refused)

    _await(place, 2)
    say(2, later=judged(_LATE, time.time_ns()))

    _await(place, 3)
    say(3, old=judged(*old), set_back_s=cache.set_back_ns / _S)


def after() -> None:
    """After the reboot: nothing of the boot before counts."""
    place = Path(sys.argv[1])
    kept = json.loads((place / "kept.json").read_text())
    uptime, nonces = UptimeClock(), NonceWindow()
    mark = Mark(bytes.fromhex(kept["boot"]), kept["at_ns"])
    restored, nonce = nonces.restore(kept["nonces"]), bytes.fromhex(kept["nonce"])
    _write(place, 4, {
        "since": uptime.since(mark),
        "restored": restored,
        "nonce": nonces.accepts(nonce),
        "another": nonces.preferred() != nonce,
        "passed": Deadline(mark, _TICKET_S * _S).passed(uptime),
    })  # fmt: skip


def _write(place: Path, number: int, told: dict[str, object]) -> None:
    """Whole, or not at all: somebody waits for it."""
    part = place / "part"
    part.write_text(json.dumps(told))
    part.rename(place / f"said.{number}")


def _await(place: Path, number: int) -> None:
    while not (place / f"go.{number}").exists():
        time.sleep(0.05)


if __name__ == "__main__":
    after() if sys.argv[3:] else main()
