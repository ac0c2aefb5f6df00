"""Those who were asked beside the receiver: the NTP quorum and the RTC, and what they say of a second."""

from dataclasses import replace

from refclock.core.rules.episodes import Episodes
from refclock.core.seconds.interval import Interval, RawRate
from refclock.core.seconds.leap import LeapSeconds
from refclock.core.seconds.pairing import Refused, Second
from refclock.core.witness.assessment import Assessment
from refclock.core.witness.cesium import Cesium
from refclock.core.witness.companion import Companion
from refclock.core.witness.further import Further
from refclock.core.witness.ntp import Answer, Quorum, Refusal, judge_reply
from refclock.core.witness.rtc import RtcWitness
from refclock.model import (
    STA_UNSYNC,
    Accuse,
    KdcReply,
    NtpReply,
    PhcReading,
    RtcTick,
    SourceReport,
    SystemClock,
)
from refclock.policy import Policy
from refclock.units import NS_PER_MS, NS_PER_S, scale_up

# A paused machine loses at least this much; and two clocks that lost the same differ by no more than this.
_PAUSE_NS = 100 * NS_PER_MS
_ALIKE_NS = 25 * NS_PER_MS
# A server is named when it was found wrong for this long: a jump of the counter looks like that at first.
_NAMED_NS = 20 * NS_PER_S
_REFRESH_NS = 64 * NS_PER_S


class Witnesses:
    """The quorum and the RTC with what is known of the raw counter's rate and of leap seconds."""

    def __init__(self, policy: Policy, build_utc_s: int, episodes: Episodes) -> None:
        self._episodes = episodes
        limits = policy.limits
        self._limits = limits
        self._build_utc_s = build_utc_s
        self.rate = RawRate(0, limits.raw_rate_ppt)
        self.leap = LeapSeconds()
        self.quorum = Quorum(policy.ntp.peers)
        self.rtc = RtcWitness(limits)
        judged = policy.profile == "kdc-cesium" and not policy.cesium_is_primary
        self.cesium = Cesium(limits) if judged else None
        self.companion = Companion(policy.companion, limits)
        self.apart: tuple[int, int] | None = None
        self.further = Further(policy)
        # The last accepted second, which a server may agree with though the majority does not.
        self.accepted: tuple[int, int] | None = None
        self.rtc_jump: tuple[RtcTick, int] | None = None
        self._refreshed_ns: int | None = None
        self._unnamed: dict[str, int] = {}
        self._news: list[Refused | Accuse] = []

    def news(self) -> list[Refused | Accuse]:
        """What was found out beside the answers themselves, once."""
        told, self._news = self._news, []
        return told

    def on_ntp(self, reply: NtpReply) -> list[Refused | Accuse]:
        """An answer, or its loss."""
        peer = self.quorum.peer(reply.peer)
        if peer is None:
            return []
        answer = judge_reply(reply, self._limits, self.rate, self._build_utc_s)
        if isinstance(answer, Answer):
            told = answer.interval
            if self.leap.near_boundary(told.lo_ns // NS_PER_S):
                return []  # POSIX time is ambiguous within a leap second: no opinion
            lo, hi = self.leap.si_ns(told.lo_ns), self.leap.si_ns(told.hi_ns)
            answer = Answer(Interval(lo, hi, told.as_of_ns), answer.leap)
        refusal = peer.take(reply, answer, self.rate)
        out: list[Refused | Accuse] = []
        if refusal is not None:
            out.append(_as_refused(reply.raw_ns, refusal))
        return out + self._refresh(reply.raw_ns)

    def _refresh(self, raw_ns: int) -> list[Refused | Accuse]:
        self._refreshed_ns = raw_ns
        max_age_ns = self._limits.ntp_max_age_ns
        out: list[Refused | Accuse] = []
        for peer in self.quorum.refresh(raw_ns, self.rate, max_age_ns):
            self._unnamed.setdefault(peer.name, raw_ns)
        quorum = self.quorum.interval
        # While the receiver is being rejected it may be the raw counter that is wrong, which carries every
        # server's answer to now: nobody is named before that is settled.
        if quorum is not None and self._episodes.began_ns is None:
            for name, since_ns in list(self._unnamed.items()):
                said = self.quorum.peers[name].interval(raw_ns, self.rate, raw_ns - max_age_ns)
                if said is None or said.meets(quorum) or self._led(raw_ns, said):
                    del self._unnamed[name]
                elif raw_ns - since_ns >= _NAMED_NS:
                    del self._unnamed[name]
                    out.append(self._false(raw_ns, name, said, quorum))
        if self.quorum.interval is not None:
            utc_s = self.leap.utc_ns(self.quorum.interval.lo_ns) // NS_PER_S
            needed = len(self.quorum.peers) // 2 + 1
            self.leap.confirm(utc_s, self.quorum.leap_votes(1), self.quorum.leap_votes(2), needed)
        return out

    def _false(self, raw_ns: int, name: str, said: Interval, quorum: Interval) -> Accuse:
        """A server is a falseticker, so far off the quorum."""
        off = said.lo_ns - quorum.hi_ns if said.lo_ns > quorum.hi_ns else said.hi_ns - quorum.lo_ns
        evidence = {"off_ns": off, "agreeing": self.quorum.agreeing, "known": len(self.quorum.peers)}
        return Accuse(raw_ns, f"ntp:{name}", evidence)

    def _led(self, raw_ns: int, said: Interval) -> bool:
        """True when an interval holds what the last accepted second leads to."""
        if self.accepted is None:
            return False
        accepted_ns, si_ns = self.accepted
        elapsed = raw_ns - accepted_ns
        return said.outside_ns(si_ns + self.rate.advance(elapsed)) <= scale_up(
            abs(elapsed), self.rate.unc_ppt
        )

    def on_rtc(self, tick: RtcTick) -> tuple[()]:
        """A tick of the battery clock: nothing is decided. A jump against the raw counter is kept until
        the receiver's next second tells which of the two jumped."""
        already = self.rtc.stepped_ns
        jump = self.rtc.tick(tick, self.rate, self.leap.count(tick.rtc_s))
        if jump and not already:
            self.rtc_jump = tick, jump
        return ()

    def on_phc(self, event: PhcReading) -> list[Refused]:
        """A reading of a network card's clock; what makes it no witness is said once."""
        refused = self.further.phc.take(event, self.rate)
        return [] if refused is None else [refused]

    def on_source(self, event: SourceReport) -> list[Refused]:
        """What chrony says of one of its own sources."""
        refused = self.further.chrony.take(event, self.rate, self.leap)
        return [] if refused is None else [refused]

    def on_kdc(self, event: KdcReply) -> list[Refused | Accuse]:
        """An answer from one of the realm's other KDCs. One that strays is named, but not while it may be
        the receiver, or the raw counter, that is wrong."""
        realm, raw_ns = self.further.realm, event.raw_ns
        refused = realm.take(event, self.rate, self.leap)
        if refused is not None:
            return [refused]
        utc = self.quorum_at(raw_ns)
        if self.accepted is not None:
            accepted_ns, si_ns = self.accepted
            utc = Interval(si_ns, si_ns, accepted_ns).at(raw_ns, self.rate)
        if utc is None or self._episodes.began_ns is not None:
            return []
        named = realm.stray(event.peer, raw_ns, self.rate, utc)
        return [] if named is None else [named]

    def raw_jumped(self, raw_ns: int, phase_ns: int, moved_ns: int) -> bool:
        """While the RTC is suspected of a jump: whether receiver and RTC moved alike against the raw counter,
        so that it is the counter that stood still or jumped, as in a paused virtual machine. ``phase_ns`` is
        the receiver's phase now, of which ``moved_ns`` came at once."""
        if self.rtc_jump is None:
            return False
        jump = self.rtc_jump[1]
        if abs(jump) >= _PAUSE_NS and not self.rtc.crept:
            return abs(moved_ns - jump) <= _ALIKE_NS + abs(jump) // 100
        drifted_ns = self.rtc.drifted_ns(raw_ns) if self.rtc.crept else 0
        if abs(phase_ns - self.rtc.walked_ns) <= _ALIKE_NS + drifted_ns:
            # Receiver or counter drifts, and is found out by its rate or at the gate; the RTC goes on.
            self.rtc_jump = None
            self.rtc.pardon()
        return False

    def receiver_kept(self, raw_ns: int, si_ns: int, phase_ns: int) -> None:
        """The receiver's second was accepted: a jump of the RTC was the RTC's own, and ends its witness,
        unless the receiver walked as far from the raw counter."""
        self.accepted = raw_ns, si_ns
        self.raw_jumped(raw_ns, phase_ns, 0)
        if self.rtc_jump is not None:
            tick, jump = self.rtc_jump
            self.rtc_jump = None
            evidence: dict[str, object] = {"moved_ns": jump, "witnesses": ["raw", "receiver"]}
            self._news += [
                Refused(tick.raw_ns, "rtc-step", abs(jump), 0),
                Accuse(tick.raw_ns, "rtc", evidence),
            ]

    def on_system(self, event: SystemClock) -> list[Refused | Accuse]:
        """A look at the kernel's clock: does it write the RTC?"""
        follows = self.rtc.present and not event.status & STA_UNSYNC
        changed, self.rtc.follows_system = follows and not self.rtc.follows_system, follows
        return [Refused(event.raw_ns, "rtc-follows-system", event.status, STA_UNSYNC)] if changed else []

    def quorum_at(self, raw_ns: int) -> Interval | None:
        """The quorum's interval as of now; None when absent, too old, or too wide to judge by E_q.

        An interval no wider than E_q holds the truth and can therefore never object to it.
        """
        interval = self.quorum.at(raw_ns, self.rate, self._limits.ntp_max_age_ns)
        if interval is None or interval.hi_ns - interval.lo_ns > self._limits.quorum_error_ns:
            return None
        return interval

    def by_cesium_ns(self, second: Second, si_ns: int, said: Assessment, anchor_ns: int) -> int | None:
        """An admitted second goes into the cesium's gate; returns how far the receiver can have left UTC
        since the anchor, by the cesium (None: it is silent, or has not been followed since the anchor)."""
        if self.cesium is None or said.apart_ns is None:
            return None
        raw_ns = second.edge.raw_ns
        self.cesium.keep(raw_ns, si_ns, said.apart_ns, self.rate)
        return self.cesium.bound_ns(raw_ns, said.apart_ns) if self.cesium.since_ns <= anchor_ns else None

    def since(
        self, since_ns: int, raw_ns: int, suspect_ppt: int
    ) -> tuple[Interval | None, Interval | None, bool]:
        """What quorum and RTC say now by what they said since an instant, and whether all that were heard
        before have spoken again.

        Older answers are carried by the raw counter; they cannot tell the counter's fault from another's.
        Nor can younger ones for as long as they were carried: the counter is a suspect itself, and would be
        wrong by ``suspect_ppt`` if it were guilty.
        """
        rate = RawRate(self.rate.y_ppt, self.rate.unc_ppt + suspect_ppt)
        quorum = self.quorum.form(raw_ns, rate, since_ns)[0]
        ticked = self.rtc.ticked_since(since_ns)
        rtc = self.rtc.interval(raw_ns, rate) if ticked else None
        complete = (quorum is not None or self.quorum.interval is None) and (ticked or not self.rtc.present)
        return quorum, rtc, complete

    def forget_raw(self, rate_too: bool) -> None:
        """The raw counter lost its continuity: what was told against it is void. What was enrolled stays,
        but for the counter's rate where that is what was found wrong (``rate_too``)."""
        self.quorum = Quorum(tuple(self.quorum.peers))
        self.rtc.forget_raw()
        self.further.forget_raw()
        self.companion.forget_raw()
        self.accepted = self.rtc_jump = None
        self._unnamed.clear()
        if self.cesium is not None:
            self.cesium, self.apart = Cesium(self._limits), None
        if rate_too or not self.rate.enrolled:
            self.rate = RawRate(0, self._limits.raw_rate_ppt)

    def assess(self, second: Second, si_ns: int) -> Assessment:
        """What the witnesses say of UTC being ``si_ns`` at the edge of a second."""
        raw_ns, unc_ns, utc_s = second.edge.raw_ns, second.edge.unc_ns, second.utc_s
        if self._refreshed_ns is not None and raw_ns - self._refreshed_ns > _REFRESH_NS:
            self._news += self._refresh(raw_ns)
        quorum, rtc = self.quorum_at(raw_ns), self.rtc.interval(raw_ns, self.rate)
        agreeing = 0
        quorum_objects = rtc_objects = None
        if quorum is not None:
            value, limit = quorum.farthest_ns(si_ns), self._limits.quorum_error_ns + unc_ns
            if value > limit:
                quorum_objects = Refused(raw_ns, "quorum", value, limit, utc_s)
            else:
                agreeing += 1
        if rtc is not None:
            outside = rtc.outside_ns(si_ns)
            if outside > unc_ns:
                moved = si_ns - (rtc.lo_ns + rtc.hi_ns) // 2
                rtc_objects = Refused(raw_ns, "rtc", abs(moved), rtc.half_ns + unc_ns, utc_s, moved_ns=moved)
            else:
                agreeing += 1
        other = self.companion.interval(raw_ns, self.rate)
        other_disagrees = other is not None and other.outside_ns(si_ns) > unc_ns
        agreeing += other is not None and not other_disagrees
        said = Assessment(
            quorum, rtc, agreeing, quorum_objects, rtc_objects, bool(self.quorum.peers),
            companion_disagrees=other_disagrees,
        )  # fmt: skip
        said = self.further.join(said, second, si_ns, self.rate)
        if self.cesium is None:
            return said
        apart = self.cesium.apart_ns(second, self.rate)
        self.apart = None if apart is None else (raw_ns, apart)
        if apart is None:
            return replace(said, cesium_silent=True)
        objects = self.cesium.judge(second, apart)
        agreeing = said.agreeing + (objects is None)
        return replace(said, agreeing=agreeing, cesium_objects=objects, apart_ns=apart)


def _as_refused(raw_ns: int, refusal: Refusal) -> Refused:
    return Refused(raw_ns, refusal.reason, refusal.value, refusal.limit)
