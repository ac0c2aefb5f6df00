"""The realm's other KDCs as witnesses: what their clocks show, as their refusals say (wire.krb5).

All KDCs of a realm must agree. Nobody vouches for such an answer, and a clock that Kerberos can live with may
be far off for us: so a majority of them may veto a second that lies outside what they share, each clock being
taken to be within ``realm_error_ms`` of UTC, and never counts as agreeing. One that strays is named.
"""

from dataclasses import dataclass

from refclock.core.seconds.interval import Interval, RawRate, agreed
from refclock.core.seconds.leap import LeapSeconds
from refclock.core.seconds.pairing import Refused
from refclock.core.witness.ntp import MOST, Answer, Peer, youngest_ns
from refclock.model import Accuse, KdcReply
from refclock.policy import Policy
from refclock.units import NS_PER_S, scale_up

# One KDC alone is no majority; it may stray, and is named.
_MIN_LIVE = 2
# Its second answer in a row must say the same before a KDC is named.
_NAMED_AFTER = 2
# No answer is waited for longer (realm.timeout_ms, twice).
_LONGEST_NS = 20 * NS_PER_S


@dataclass(slots=True)
class Kdc:
    """One KDC: its answers, of which the narrowest one today speaks, and how often in a row it strayed."""

    heard: Peer
    cookie: str = ""
    strayed: int = 0


class Realm:
    """The other KDCs together."""

    def __init__(self, policy: Policy) -> None:
        self._limits = policy.limits
        self._realm = policy.realm.realm
        self.kdcs = {name: Kdc(Peer(name)) for name in policy.realm.peers}
        self.agreeing = 0
        self._interval: Interval | None = None

    def forget_raw(self) -> None:
        """The raw counter lost its continuity: nothing told against it counts."""
        self.kdcs = {name: Kdc(Peer(name)) for name in self.kdcs}
        self.agreeing, self._interval = 0, None

    def take(self, event: KdcReply, rate: RawRate, leap: LeapSeconds) -> Refused | None:
        """An answer, or its loss; returns why it is not used. A capture of another host may name KDCs that
        this policy does not: each one counts."""
        raw_ns = event.raw_ns
        if event.peer not in self.kdcs and len(self.kdcs) < MOST:
            self.kdcs[event.peer] = Kdc(Peer(event.peer))
        kdc = self.kdcs.get(event.peer)
        if kdc is None or event.data is None:
            return Refused(raw_ns, "kdc-lost", 0, 0)
        # Only a host with [realm] hears of a KDC.
        from refclock.wire.krb5 import KdcClock, KdcQuestion, decode_answer  # noqa: PLC0415

        said = decode_answer(event.data, KdcQuestion(self._realm, event.cookie))
        if not isinstance(said, KdcClock):
            return Refused(raw_ns, said.reason, said.value, said.limit)
        if not said.matched:
            return Refused(raw_ns, "kdc-unmatched", 0, 1)
        if event.cookie == kdc.cookie:
            return Refused(raw_ns, "kdc-duplicate", 1, 0)
        waited = event.t4_raw_ns - event.t1_raw_ns
        if not 0 <= waited <= _LONGEST_NS:
            return Refused(raw_ns, "kdc-delay", waited, _LONGEST_NS)
        kdc.cookie = event.cookie
        if leap.near_boundary(said.earliest_ns // NS_PER_S):
            return None
        # Its clock showed a time between these two at some moment between question and answer.
        lo_ns, hi_ns = leap.si_ns(said.earliest_ns), leap.si_ns(said.latest_ns)
        passed = waited + scale_up(waited, rate.unc_ppt) + 1
        off, at_ns = self._limits.realm_error_ns, event.t4_raw_ns
        told = Interval(lo_ns - off, hi_ns + passed + off, at_ns)
        kdc.heard.keep(Answer(told, 0), rate)
        self._form(raw_ns, rate)
        return None

    def _form(self, raw_ns: int, rate: RawRate) -> None:
        """A majority of all KDCs, and two at least, must share a point."""
        since_ns = raw_ns - self._limits.ntp_max_age_ns
        said = (kdc.heard.interval(raw_ns, rate, since_ns) for kdc in self.kdcs.values())
        told = [one for one in said if one is not None]
        self._interval, self.agreeing = agreed(told, len(self.kdcs), _MIN_LIVE) or (None, 0)

    def at(self, raw_ns: int, rate: RawRate) -> Interval | None:
        """What they agree on, as of now; None where they do not, or were silent for too long."""
        interval = self._interval
        if interval is None or raw_ns - interval.as_of_ns > self._limits.ntp_max_age_ns:
            return None
        return interval.at(raw_ns, rate)

    def stray(self, peer: str, raw_ns: int, rate: RawRate, utc: Interval) -> Accuse | None:
        """Name a KDC whose latest answer, the second in a row, lies outside of ``utc`` (SI ns, now)."""
        kdc = self.kdcs.get(peer)
        if kdc is None or not kdc.heard.answers:
            return None
        said = kdc.heard.answers[-1].interval.at(raw_ns, rate)
        kdc.strayed = 0 if said.meets(utc) else kdc.strayed + 1
        kdc.heard.falseticker = kdc.strayed >= _NAMED_AFTER
        if kdc.strayed != _NAMED_AFTER:
            return None
        off = (said.lo_ns + said.hi_ns) // 2 - (utc.lo_ns + utc.hi_ns) // 2
        return Accuse(raw_ns, f"kdc:{peer}", {"off_ns": off, "within_ns": said.half_ns})

    def age_ns(self, raw_ns: int) -> int | None:
        """Time since the last answer that was used."""
        return youngest_ns((kdc.heard for kdc in self.kdcs.values()), raw_ns)
