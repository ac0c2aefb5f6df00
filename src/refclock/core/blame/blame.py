"""When to say who is wrong: at once for what stepped away, by rates over hours for what drifts."""

from refclock.core.blame.attribution import Departure, attribute
from refclock.core.blame.hat import Hat, Seen
from refclock.core.blame.rates import Knot, Rates, Verdict, offset
from refclock.core.gate.judge import Judge
from refclock.core.seconds.pairing import Refused
from refclock.core.witness.cesium import MASK
from refclock.core.witness.witnesses import Witnesses
from refclock.model import Accuse
from refclock.units import NS_PER_S, rate_ppt

# Who is wrong is said when the witnesses have spoken since the episode began, or after this long.
_FRESH_NS = 200 * NS_PER_S
_AMBIGUOUS = "ambiguous"


class Blame:
    """Watches one judge's seconds beside the witnesses' words."""

    def __init__(self, witnesses: Witnesses, judge: Judge) -> None:
        self._witnesses = witnesses
        self._judge = judge
        self._named = ""
        self._hat = Hat()
        self._begin()

    def _begin(self) -> None:
        """Offsets are counted from the judge's anchor: with a new one the history begins anew."""
        self._anchor = self._judge.anchor
        # The stated stability is a bound; a third of it is taken as one standard deviation.
        self._rates = Rates(
            self._judge.rate.unc_ppt // 3,
            self._witnesses.rtc.rate_unc_ppt,
            self._witnesses.further.phc.rate_unc_ppt,
        )

    def _knot(self, raw_ns: int, si_ns: int, unc_ns: int) -> Knot:
        predicted = self._judge.predicted_ns(raw_ns)
        offsets = {"receiver": (si_ns - predicted, unc_ns)}
        quorum, rtc = (
            self._witnesses.quorum_at(raw_ns),
            self._witnesses.rtc.interval(raw_ns, self._judge.rate),
        )
        for name, told in (("ntp", offset(quorum, predicted)), ("rtc", offset(rtc, predicted))):
            if told is not None:
                offsets[name] = told
        apart = self._apart_ns(raw_ns, si_ns)
        if apart is not None:
            # Where the receiver would be, had it kept its distance from the cesium's pulse.
            offsets["cesium"] = si_ns - predicted + apart, unc_ns
        if "rtc" in offsets:
            # Its interval widens with age; what counts here is how sharply its last tick was seen.
            offsets["rtc"] = offsets["rtc"][0], self._witnesses.rtc.tick_unc_ns
        return Knot(raw_ns, offsets)

    def _apart_ns(self, raw_ns: int, si_ns: int) -> int | None:
        """How far the receiver's second has moved from the cesium's pulse, where that can be told: a distance
        of an earlier second says nothing of this one, nor does one that lost count of the seconds."""
        cesium, apart = self._witnesses.cesium, self._witnesses.apart
        if cesium is None or apart is None or apart[0] != raw_ns:
            return None
        followed = cesium.since_ns <= self._judge.anchor.raw_ns
        return apart[1] if followed and cesium.continuous(raw_ns, si_ns, apart[1], self._judge.rate) else None

    def _see_pulses(self) -> None:
        """Where the cesium's pulse and the receiver's lay in the second that was judged last."""
        cesium, apart = self._witnesses.cesium, self._witnesses.apart
        if cesium is not None and apart is not None:
            self._hat.see(Seen(apart[0], cesium.wandered_ns, apart[1]))

    def _by_hat(self, raw_ns: int, refused: Refused, began_ns: int) -> Accuse | None:
        """The receiver left the cesium's pulse, or that one left: by which of them left the counter too."""
        self._see_pulses()
        guilty = self._hat.guilty(began_ns) if refused.mask == MASK else None
        if guilty is None:
            return None
        evidence: dict[str, object] = {"moved_ns": refused.moved_ns, "took_ns": refused.raw_ns - began_ns}
        if guilty == "cesium" and refused.moved_ns is not None:
            evidence["moved_ns"] = -refused.moved_ns
        other = "cesium" if guilty == "receiver" else "receiver"
        return Accuse(raw_ns, guilty, evidence | {"witnesses": ["raw", other]})

    def _with_phc(self, knot: Knot) -> Knot:
        """A network card's clock is asked about accepted seconds only: while one is being rejected, what it
        says could keep a later and better word from being said."""
        phc, raw_ns = self._witnesses.further.phc, knot.raw_ns
        told = offset(phc.interval(raw_ns, self._judge.rate), self._judge.predicted_ns(raw_ns))
        if told is None:
            return knot
        return Knot(raw_ns, {**knot.offsets, "phc": (told[0], phc.reading_unc_ns)})

    def accepted(self, raw_ns: int, si_ns: int, unc_ns: int) -> Accuse | None:
        """A second was accepted; a quarter of an hour apart the rates are looked at."""
        if self._judge.anchor is not self._anchor:
            self._begin()
        self._see_pulses()
        if not self._rates.due(raw_ns):
            return None
        verdict = self._rates.add(self._with_phc(self._knot(raw_ns, si_ns, unc_ns)))
        named, self._named = self._named, verdict.source if verdict is not None else ""
        return _accuse(raw_ns, verdict) if verdict is not None and verdict.source != named else None

    def rejected(self, raw_ns: int, refused: Refused, began_ns: int, last_word: bool) -> Accuse | None:
        """A second was rejected, in an episode that began at ``began_ns``. None as long as more time may
        tell; "ambiguous" is said with the last word only."""
        if refused.moved_ns is None:
            return None
        by_hat = self._by_hat(raw_ns, refused, began_ns)
        if by_hat is not None:
            return by_hat
        at, judge = refused.raw_ns, self._judge
        suspect_ppt = abs(rate_ppt(refused.moved_ns, max(at - began_ns, NS_PER_S)))
        quorum, rtc, complete = self._witnesses.since(began_ns, at, suspect_ppt)
        if not complete and at - began_ns < _FRESH_NS:
            return None
        # Two predictions: where the last accepted second leads, and where the anchor leads.
        predicted = judge.last_si_ns + judge.rate.advance(at - judge.last_raw_ns)
        told_ns = predicted + refused.moved_ns
        slack = judge.gate.masks[0].offset_ns
        left = Departure(at, refused.moved_ns, began_ns - judge.last_raw_ns, predicted, slack)
        if refused.reason == "quorum":
            stepped = self._ntp_stepped(at, told_ns, began_ns)
            if stepped is not None:
                return stepped
        else:
            accusation = attribute(raw_ns, left, quorum, rtc)
            returned = accusation.source == "raw" and not self._counter_left(at, told_ns, left, began_ns)
            if accusation.source != _AMBIGUOUS and not returned:
                return accusation
        if self._rates.before(at) is not None:
            verdict = self._rates.add(self._knot(at, told_ns, 0))
            if verdict is not None:
                return _accuse(raw_ns, verdict)
        if not last_word:
            return None
        evidence: dict[str, object] = {"moved_ns": refused.moved_ns, "took_ns": left.took_ns}
        return Accuse(raw_ns, _AMBIGUOUS, evidence | {"witnesses": []})

    def _ntp_moved(self, at_ns: int, told_ns: int, began_ns: int) -> tuple[int, int] | None:
        """How far the quorum has left the place on the raw counter that it had before the episode, and
        within what; None when it was not heard then or now."""
        before = self._rates.before(began_ns)
        now = self._knot(at_ns, told_ns, 0).offsets.get("ntp")
        then = before.offsets.get("ntp") if before is not None else None
        if before is None or now is None or then is None:
            return None
        drifted = (at_ns - before.raw_ns) * self._judge.rate.unc_ppt // 10**12
        return now[0] - then[0], now[1] + then[1] + drifted + self._judge.gate.masks[0].offset_ns

    def _ntp_stepped(self, at_ns: int, told_ns: int, began_ns: int) -> Accuse | None:
        """The receiver is still where the raw counter expects it, but the quorum has left the place that it
        had before: then it is the quorum that moved."""
        moved, within = self._ntp_moved(at_ns, told_ns, began_ns) or (0, 0)
        before = self._rates.before(began_ns)
        if before is None or abs(moved) <= within:
            return None
        evidence: dict[str, object] = {"moved_ns": moved, "took_ns": at_ns - before.raw_ns}
        return Accuse(at_ns, "ntp", evidence | {"witnesses": ["receiver", "raw"]})

    def _counter_left(self, at_ns: int, told_ns: int, left: Departure, began_ns: int) -> bool:
        """The quorum left the raw counter as well, and so far that it cannot have stood still. If not, it may
        be the receiver that had walked away, within the masks, and now steps back: naming the counter would
        forget the gate for it."""
        found = self._ntp_moved(at_ns, told_ns, began_ns)
        if found is None:
            return False
        towards = found[0] if left.moved_ns > 0 else -found[0]
        return towards > found[1] and towards >= abs(left.moved_ns) - found[1]


def _accuse(raw_ns: int, verdict: Verdict) -> Accuse:
    evidence: dict[str, object] = {"moved_ns": verdict.moved_ns, "took_ns": verdict.took_ns}
    return Accuse(raw_ns, verdict.source, evidence | {"witnesses": list(verdict.witnesses)})
