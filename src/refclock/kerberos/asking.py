"""Asking KDCs for their clocks, until they are known well enough.

One answer tells a KDC's clock to a second only: wire.krb5.KdcClock says why. But when that clock begins a new
second, the answers do so too. So after the first answer a KDC is asked at the moments when its second would
begin if its clock were at the beginning, or then in the middle, of what is still possible; each answer cuts
that down.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from refclock.model import Event, KdcReply
from refclock.policy import RealmSettings, peer_name
from refclock.ports import stamp
from refclock.ports.kdc import KdcPort
from refclock.ports.once import ask_once
from refclock.units import NS_PER_MS, NS_PER_S
from refclock.wire.krb5 import KdcClock, KdcQuestion, decode_answer

TRANSPORTS = ("udp", "tcp")
ROUNDS = 6
_FINE_NS = 10 * NS_PER_MS
# What it takes to make the sockets before the first question leaves.
_PREPARED_NS = 50 * NS_PER_MS
# So long before its second's end a KDC is asked first.
_MARGIN_NS = 3 * NS_PER_MS
# A KDC's clock and our counter: 1000 ppm, twice what a kernel steers a clock by as a rule.
_STRAY = 1000

Server = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Kdc:
    """One KDC, and over what it is to be asked."""

    server: Server
    transports: tuple[str, ...] = TRANSPORTS


@dataclass(frozen=True, slots=True)
class Reading:
    """One KDC over one transport: its clock less CLOCK_MONOTONIC_RAW, when that was ``as_of_ns``, lies from
    ``low_ns`` to ``high_ns``. The quickest answer took ``trip_ns``; ``matched`` and ``code`` are the last
    one's (wire.krb5.KdcClock). Or ``trouble``: why there is no time."""

    peer: str
    over: str
    low_ns: int = 0
    high_ns: int = 0
    as_of_ns: int = 0
    trip_ns: int = 0
    code: int = 0
    matched: bool = False
    trouble: str = ""

    def shifted(self, by_ns: int, unc_ns: int = 0) -> "Reading":
        """The same by another clock, which is ahead of this one by so much, give or take ``unc_ns``."""
        return replace(self, low_ns=self.low_ns - by_ns - unc_ns, high_ns=self.high_ns - by_ns + unc_ns)

    def at(self, raw_ns: int) -> "Reading":
        """The same at another reading of the counter: two clocks stray from each other."""
        strayed_ns = abs(raw_ns - self.as_of_ns) // _STRAY + 1
        return replace(self.shifted(0, strayed_ns), as_of_ns=raw_ns)

    @property
    def fine(self) -> bool:
        """Whether it is not worth another second of waiting."""
        return self.high_ns - self.low_ns <= 3 * self.trip_ns + _FINE_NS


def ask_kdcs(realm: str, kdcs: Sequence[Kdc], timeout_ms: int, rounds: int = ROUNDS) -> list[Reading]:
    """Each KDC over each of its transports, all at once, until each is known well, or for so many rounds of
    a second each."""
    targets = {
        f"kdc{number}": one
        for number, one in enumerate((kdc.server, over) for kdc in kdcs for over in kdc.transports)
    }
    known: dict[str, Reading] = {}
    left = list(targets)
    for turn in range(rounds):
        ports = []
        for name in left:
            server, over = targets[name]
            port = KdcPort(RealmSettings((server,), realm, 300, timeout_ms, over), server, name)
            if name in known:
                port.ask_at(_second_begins(known[name], first=turn == 1))
            ports.append(port)
        answers = ask_once(ports, 2 * timeout_ms * NS_PER_MS + 2 * NS_PER_S)
        for name in left:
            server, over = targets[name]
            found = _reading(realm, peer_name(server), over, answers[name])
            known[name] = _narrowed(known.get(name), found)
        # Who stays silent once is asked no more; what it said before counts.
        left = [name for name in left if not known[name].trouble and not known[name].fine]
    return [known[name] for name in targets]


def _second_begins(known: Reading, first: bool) -> int:
    """When (raw) to send, so that the question arrives as the KDC's next second begins by a guess of its
    clock: the middle of what is possible; or, ``first``, the lowest, and a little before. That is right
    where the first answer was the first of its second, and then the end of the search."""
    guess_ns = known.low_ns if first else (known.low_ns + known.high_ns) // 2
    early_ns = known.trip_ns // 2 + (known.trip_ns + _MARGIN_NS if first else 0)
    soonest_ns = stamp.raw() + guess_ns + _PREPARED_NS + early_ns
    return -(-soonest_ns // NS_PER_S) * NS_PER_S - guess_ns - early_ns


def _narrowed(known: Reading | None, found: Reading) -> Reading:
    """What both allow. Where that is nothing, a clock was stepped meanwhile: the later one counts."""
    if known is None or known.trouble or found.trouble:
        return found if known is None or known.trouble else known
    aged = known.at(found.as_of_ns)
    low_ns, high_ns = max(aged.low_ns, found.low_ns), min(aged.high_ns, found.high_ns)
    if low_ns > high_ns:
        return found
    return replace(found, low_ns=low_ns, high_ns=high_ns, trip_ns=min(known.trip_ns, found.trip_ns))


def _reading(realm: str, peer: str, over: str, told: Sequence[Event] | str) -> Reading:
    """What one query yielded: the last of its answers that tells a time, or what was wrong with the last."""
    if isinstance(told, str):
        return Reading(peer, over, trouble=told)
    trouble = "no answer"
    for reply in reversed(told):
        if not isinstance(reply, KdcReply) or reply.data is None:
            continue
        said = decode_answer(reply.data, KdcQuestion(realm, reply.cookie))
        if isinstance(said, KdcClock):
            return replace(_placed(reply, said), peer=peer, over=over)
        trouble = f"no usable answer: {said.reason}"
    return Reading(peer, over, trouble=trouble)


def _placed(reply: KdcReply, clock: KdcClock) -> Reading:
    """The KDC's clock was read at some moment between question and answer."""
    low_ns, high_ns = clock.earliest_ns - reply.t4_raw_ns, clock.latest_ns - reply.t1_raw_ns
    trip_ns = reply.t4_raw_ns - reply.t1_raw_ns
    return Reading(
        reply.peer, reply.over, low_ns, high_ns, reply.t4_raw_ns, trip_ns, clock.code, clock.matched
    )


def by_system_clock(readings: Sequence[Reading]) -> list[Reading]:
    """The same with respect to this host's CLOCK_REALTIME, now."""
    raw_ns, real_ns, unc_ns = stamp.now()
    return [one if one.trouble else one.at(raw_ns).shifted(real_ns - raw_ns, unc_ns) for one in readings]
