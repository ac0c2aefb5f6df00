"""What an NTP answer is worth: the safe query's checks, and the quorum of several servers.

An unauthenticated answer may veto a second; it never sets one. Each check is one that a published attack
or a measured library slip made necessary (RFC 5905, sections 7.3, 8 and 9.2; docs/vetting.md).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from refclock.core.seconds.interval import Interval, RawRate, agreed
from refclock.model import NtpReply
from refclock.policy import Limits
from refclock.units import NS_PER_S, scale_up
from refclock.wire import sntp

_KEPT = 8
# A server whose own last synchronisation is older than this free-runs on its own authority.
_REFERENCE_AGE_NS = 7200 * NS_PER_S
_VERSIONS = (3, 4)
_LEAP_UNKNOWN = 3
_MAX_STRATUM = 15
_MIN_LIVE = 3
# Servers, KDCs or sources that are known at a time: a capture may name as many as it likes.
MOST = 64


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is not used: the reason, the value found and the limit."""

    reason: str
    value: int
    limit: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A good answer: an interval on POSIX UTC at the moment of arrival, and the leap indicator."""

    interval: Interval
    leap: int


def judge_reply(reply: NtpReply, limits: Limits, rate: RawRate, pivot_s: int) -> Answer | Refusal:
    """Check one answer. ``pivot_s`` (POSIX s, from independent clocks) tells the NTP era."""
    if reply.data is None:
        return Refusal("ntp-lost", 1, 0)
    packet = sntp.decode(reply.data)
    if packet is None:
        return Refusal("ntp-short", len(reply.data), sntp.PACKET_SIZE)
    # First of all: was this sent in answer to us? Before that nothing in it may have any effect,
    # not even a kiss-o'-death.
    if f"{packet.origin:016x}" != reply.cookie or packet.origin == 0:
        return Refusal("ntp-origin", 1, 0)
    return _judge_fields(packet) or _judge_times(packet, reply, limits, rate, pivot_s)


def _judge_fields(packet: sntp.NtpPacket) -> Refusal | None:
    if packet.stratum == 0:
        return Refusal("ntp-kiss-of-death", int.from_bytes(packet.reference_id, "big"), 0)
    if packet.mode != sntp.MODE_SERVER:
        return Refusal("ntp-mode", packet.mode, sntp.MODE_SERVER)
    if packet.version not in _VERSIONS:
        return Refusal("ntp-version", packet.version, max(_VERSIONS))
    if packet.leap == _LEAP_UNKNOWN:
        return Refusal("ntp-unsynchronised", packet.leap, _LEAP_UNKNOWN - 1)
    if packet.stratum > _MAX_STRATUM:
        return Refusal("ntp-stratum", packet.stratum, _MAX_STRATUM)
    if packet.receive == 0 or packet.transmit == 0:
        return Refusal("ntp-zero-stamp", 0, 1)
    return None


def _judge_times(
    packet: sntp.NtpPacket, reply: NtpReply, limits: Limits, rate: RawRate, pivot_s: int
) -> Answer | Refusal:
    received = sntp.to_posix_ns(packet.receive, pivot_s)
    sent = sntp.to_posix_ns(packet.transmit, pivot_s)
    reference = sntp.to_posix_ns(packet.reference, pivot_s)
    if sent < received:
        return Refusal("ntp-order", received - sent, 0)
    age = sent - reference
    if packet.reference == 0 or not -NS_PER_S <= age <= _REFERENCE_AGE_NS:
        return Refusal("ntp-reference-age", age, _REFERENCE_AGE_NS)
    waited = reply.t4_raw_ns - reply.t1_raw_ns
    delay = waited - (sent - received) + scale_up(abs(waited), rate.unc_ppt)
    if not 0 <= delay <= limits.ntp_delay_ns:
        return Refusal("ntp-delay", delay, limits.ntp_delay_ns)
    precision_ns = NS_PER_S >> max(0, -packet.precision)
    own = packet.root_delay_ns // 2 + packet.root_dispersion_ns + precision_ns + 1
    distance = own + delay // 2
    if distance > limits.ntp_distance_ns:
        return Refusal("ntp-distance", distance, limits.ntp_distance_ns)
    # The answer left at `sent` and took between nothing and the whole delay to arrive.
    return Answer(Interval(sent - own, sent + delay + own, reply.t4_raw_ns), packet.leap)


class Peer:
    """One server: its last good answers, of which the narrowest one today speaks."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.answers: list[Answer] = []
        self.refusal: Refusal | None = None
        self.falseticker = False
        self.live = False
        self._cookie = ""

    def take(self, reply: NtpReply, answer: Answer | Refusal, rate: RawRate) -> Refusal | None:
        """Remember an answer (its interval on SI UTC); a cookie counts once. Returns what was refused."""
        if isinstance(answer, Answer) and reply.cookie == self._cookie:
            answer = Refusal("ntp-duplicate", 1, 0)
        if isinstance(answer, Refusal):
            self.refusal = answer
            return answer
        self._cookie = reply.cookie
        self.refusal = None
        self.keep(answer, rate)
        return None

    def keep(self, answer: Answer, rate: RawRate) -> None:
        """Remember an answer that was found good. A server that contradicts what it said before is taken at
        its latest word: its better days must not hide what it says now."""
        at_ns = answer.interval.as_of_ns
        agreeing = [one for one in self.answers if one.interval.at(at_ns, rate).meets(answer.interval)]
        self.answers = [*agreeing[1 - _KEPT :], answer]

    def interval(self, raw_ns: int, rate: RawRate, since_ns: int) -> Interval | None:
        """The narrowest today of the answers that came at ``since_ns`` or later, as of now."""
        best: Interval | None = None
        least = 0
        for answer in self.answers:
            told = answer.interval
            if told.as_of_ns >= since_ns:
                width = told.hi_ns - told.lo_ns + 2 * scale_up(abs(raw_ns - told.as_of_ns), rate.unc_ppt)
                if best is None or width < least:
                    best, least = told, width
        return None if best is None else best.at(raw_ns, rate)

    def age_ns(self, raw_ns: int) -> int | None:
        """Time since its latest good answer; None before the first."""
        return raw_ns - self.answers[-1].interval.as_of_ns if self.answers else None

    @property
    def leap(self) -> int:
        """The leap indicator of the latest good answer."""
        return self.answers[-1].leap if self.answers else 0


def youngest_ns(peers: Iterable[Peer], raw_ns: int) -> int | None:
    """Time since the latest good answer of any of them; None before the first."""
    ages = (peer.age_ns(raw_ns) for peer in peers)
    return min((age for age in ages if age is not None), default=None)


class Quorum:
    """The servers together: the interval that a majority of all known servers shares."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.peers = {name: Peer(name) for name in names}
        self.interval: Interval | None = None
        self.agreeing = 0

    def peer(self, name: str) -> Peer | None:
        """A server. A capture of another host may name servers that this policy does not: each one counts,
        until there is no more room (None)."""
        if name not in self.peers and len(self.peers) < MOST:
            self.peers[name] = Peer(name)
        return self.peers.get(name)

    def form(
        self, raw_ns: int, rate: RawRate, since_ns: int
    ) -> tuple[Interval | None, int, dict[str, Interval]]:
        """The interval that holds the truth if a majority is honest, how many share a point, and what each
        server says, from the answers that came at ``since_ns`` or later.

        No quorum without three live servers and a majority of all that are known.
        """
        live = {
            peer.name: interval
            for peer in self.peers.values()
            if (interval := peer.interval(raw_ns, rate, since_ns)) is not None
        }
        found = agreed(list(live.values()), len(self.peers), _MIN_LIVE)
        return (None, 0, live) if found is None else (*found, live)

    def refresh(self, raw_ns: int, rate: RawRate, max_age_ns: int) -> list[Peer]:
        """Form the quorum anew; returns the servers that have just become falsetickers."""
        self.interval, self.agreeing, live = self.form(raw_ns, rate, raw_ns - max_age_ns)
        new = []
        for peer in self.peers.values():
            interval = live.get(peer.name)
            peer.live = interval is not None
            false = self.interval is not None and interval is not None and not interval.meets(self.interval)
            if false and not peer.falseticker:
                new.append(peer)
            peer.falseticker = false
        return new

    def at(self, raw_ns: int, rate: RawRate, max_age_ns: int) -> Interval | None:
        """The quorum's interval as of now; None where there is none or it is too old."""
        if self.interval is None or raw_ns - self.interval.as_of_ns > max_age_ns:
            return None
        return self.interval.at(raw_ns, rate)

    def age_ns(self, raw_ns: int) -> int | None:
        """Time since the latest good answer of any; None before the first."""
        return youngest_ns(self.peers.values(), raw_ns)

    def leap_votes(self, leap: int) -> int:
        """How many servers of the quorum announce this leap indicator (RFC 5905, figure 9)."""
        return sum(peer.leap == leap and peer.live and not peer.falseticker for peer in self.peers.values())
