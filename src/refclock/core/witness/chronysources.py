"""chrony's own authenticated sources as a witness: a majority of them, as intervals on UTC - raw.

chrony measures them against the system clock, which it steers by what refclock feeds it. So each report is
taken through its own stamp's pair of REALTIME and RAW, at once, and ages on the raw counter from then on:
what chrony does with the system clock afterwards does not touch it. It may veto a second, never set one.
"""

from refclock.core.seconds.interval import Interval, RawRate, agreed
from refclock.core.seconds.leap import LeapSeconds
from refclock.core.seconds.pairing import Refused
from refclock.core.witness.ntp import MOST, Answer, Peer, youngest_ns
from refclock.model import SourceReport
from refclock.policy import Limits
from refclock.units import NS_PER_S, PPT_PER_PPM, S_PER_DAY, scale_up

# Three rounds of chronyc without a word: no opinion.
_VOID_AFTER_NS = 192 * NS_PER_S
# What was not heard for a day is no source any more.
_FORGOTTEN_NS = S_PER_DAY * NS_PER_S
# chrony carries an answer to the present by its own frequency, which our own samples bend: by no more than
# `maxdrift`, which is 500 ppm on a KDC (docs/guide.md).
_CARRIED_PPT = 500 * PPT_PER_PPM


class ChronySources:
    """The sources that chrony authenticates, each speaking through its narrowest report of late."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.peers: dict[str, Peer] = {}
        self.agreeing = 0
        self._interval: Interval | None = None
        # Somebody stepped the system clock: what was answered before was measured against another one.
        self.stepped_ns: int | None = None

    def forget_raw(self) -> None:
        """The raw counter lost its continuity: nothing told against it counts."""
        self.peers, self.agreeing, self._interval, self.stepped_ns = {}, 0, None, None

    def take(self, event: SourceReport, rate: RawRate, leap: LeapSeconds) -> Refused | None:
        """A source's report; returns why it is not used."""
        raw_ns, answered_ns = event.raw_ns, event.raw_ns - (event.age_s + 1) * NS_PER_S
        if not event.auth:
            return Refused(raw_ns, "chrony-unauthenticated", 0, 1)
        half = event.error_ns + event.unc_ns + scale_up(raw_ns - answered_ns, _CARRIED_PPT)
        limit = self._limits.ntp_distance_ns
        if event.reach == 0 or event.age_s < 0 or event.error_ns < 0 or half > limit:
            return Refused(raw_ns, "chrony-distance", half, limit)
        utc_ns = event.real_ns + event.offset_ns
        if self.stepped_ns is not None and answered_ns <= self.stepped_ns:
            return None
        if leap.near_boundary(utc_ns // NS_PER_S) or (event.peer not in self.peers and self._full(raw_ns)):
            return None
        told = Answer(Interval(leap.si_ns(utc_ns - half), leap.si_ns(utc_ns + half), raw_ns), event.leap)
        self.peers.setdefault(event.peer, Peer(event.peer)).keep(told, rate)
        self._refresh(raw_ns, rate)
        return None

    def _full(self, raw_ns: int) -> bool:
        """Make room for one more source, as far as others have been silent for long."""
        for name, peer in list(self.peers.items()):
            if raw_ns - peer.answers[-1].interval.as_of_ns > _FORGOTTEN_NS:
                del self.peers[name]
        return len(self.peers) >= MOST

    def _refresh(self, raw_ns: int, rate: RawRate) -> None:
        """A majority of all heard within a day must share a point; one alone is its own majority."""
        self._full(raw_ns)
        since = raw_ns - self._limits.ntp_max_age_ns
        said = {name: peer.interval(raw_ns, rate, since) for name, peer in self.peers.items()}
        told = [one for one in said.values() if one is not None]
        self._interval, self.agreeing = agreed(told, len(self.peers), 1) or (None, 0)
        for name, one in said.items():
            off = self._interval is not None and one is not None and not one.meets(self._interval)
            self.peers[name].falseticker = off

    def at(self, raw_ns: int, rate: RawRate) -> Interval | None:
        """What they agree on, as of now; None where they do not, are silent, or are too wide for E_q."""
        interval = self._interval
        if interval is None or raw_ns - interval.as_of_ns > _VOID_AFTER_NS:
            return None
        interval = interval.at(raw_ns, rate)
        return interval if interval.hi_ns - interval.lo_ns <= self._limits.quorum_error_ns else None

    def age_ns(self, raw_ns: int) -> int | None:
        """Time since the last report that was used."""
        return youngest_ns(self.peers.values(), raw_ns)
