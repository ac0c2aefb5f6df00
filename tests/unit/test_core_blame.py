"""When somebody is named, by what, and with which evidence."""

from dataclasses import dataclass, field

import pytest

from refclock.core.blame.blame import Blame
from refclock.core.blame.hat import Seen
from refclock.core.blame.rates import Knot, Verdict
from refclock.core.gate.judge import Anchor, Judge
from refclock.core.seconds.interval import Interval, RawRate
from refclock.core.seconds.pairing import Edge, Refused, Second
from refclock.model import Accuse
from refclock.policy import parse_policy
from refclock.units import NS_PER_MS, NS_PER_S

# kdc: mask 1 is 1 ms wide.
POLICY = parse_policy('[pps]\ndevice = "/dev/pps0"\n')
RAW = 5 * 10**14
UTC_S = 1_800_000_000
UTC = UTC_S * NS_PER_S
MS, S = NS_PER_MS, NS_PER_S


def about(off_ns: int, half_ns: int = 0, at_ns: int = 0) -> Interval:
    """An interval about the prediction so long after RAW."""
    middle = UTC + at_ns + off_ns
    return Interval(middle - half_ns, middle + half_ns, RAW + at_ns)


@dataclass
class Clock:
    """An RTC or a network card's clock that says one thing."""

    said: Interval | None = None
    rate_unc_ppt: int = 0
    tick_unc_ns: int = 0
    reading_unc_ns: int = 0

    def interval(self, raw_ns: int, rate: RawRate) -> Interval | None:
        return self.said


@dataclass
class Card:
    phc: Clock = field(default_factory=Clock)


@dataclass
class Standard:
    wandered_ns: int = 0
    since_ns: int = RAW
    lost_count: bool = False
    asked: tuple[int, int, int] = (0, 0, 0)

    def continuous(self, raw_ns: int, si_ns: int, apart_ns: int, rate: RawRate) -> bool:
        self.asked = raw_ns, si_ns, apart_ns
        return not self.lost_count


@dataclass
class Said:
    """Witnesses that say what they are told to."""

    quorum: Interval | None = None
    rtc: Clock = field(default_factory=Clock)
    further: Card = field(default_factory=Card)
    apart: tuple[int, int] | None = None
    cesium: Standard | None = None
    fresh: tuple[Interval | None, Interval | None, bool] = (None, None, True)
    asked: tuple[int, int, int] = (0, 0, 0)

    def quorum_at(self, raw_ns: int) -> Interval | None:
        return self.quorum

    def since(
        self, since_ns: int, raw_ns: int, suspect_ppt: int
    ) -> tuple[Interval | None, Interval | None, bool]:
        self.asked = since_ns, raw_ns, suspect_ppt
        return self.fresh


class History:
    """Rates that answer what they are told to."""

    def __init__(self, verdict: Verdict | None = None, before: Knot | None = None) -> None:
        self.verdict, self.earlier, self.added = verdict, before, list[Knot]()

    def due(self, raw_ns: int) -> bool:
        return raw_ns >= RAW

    def before(self, raw_ns: int) -> Knot | None:
        return self.earlier

    def add(self, knot: Knot) -> Verdict | None:
        self.added.append(knot)
        return self.verdict


DRIFTS = Verdict("rtc", 7 * MS, 3600 * S, ("raw", "receiver"))


def blame(said: Said, history: History | None = None, unc_ppt: int = 3000) -> Blame:
    """A blame whose judge accepted the second at RAW."""
    judge = Judge(POLICY, Anchor(RAW, UTC, 1000), RawRate(0, unc_ppt, enrolled=True))
    judge.accept(Second(Edge(RAW, 100, 0), UTC_S, False, 0, 0), UTC, None)
    made = Blame(said, judge)  # type: ignore[arg-type]
    if history is not None:
        made._rates = history  # type: ignore[assignment]
    return made


# ---- what is compared --------------------------------------------------------------------------------


def test_the_rates_know_how_sure_each_clock_is():
    said = Said(rtc=Clock(rate_unc_ppt=20), further=Card(Clock(rate_unc_ppt=30)))
    rates = blame(said, unc_ppt=3000)._rates
    assert rates._raw_sigma_ppt == 1000
    assert rates._crystal_unc_ppt == {"rtc": 20, "phc": 30}


def test_every_source_s_distance_from_the_counter_s_prediction_is_kept():
    history, at = History(), 900 * S
    said = Said(
        quorum=about(4 * MS, 2 * MS, at),
        rtc=Clock(about(-3 * MS, 50 * MS, at), tick_unc_ns=777),
        further=Card(Clock(about(9 * MS, 5 * MS, at), reading_unc_ns=55)),
        apart=(RAW + at, 12),
        cesium=Standard(),
    )
    assert blame(said, history).accepted(RAW + at, UTC + at + 30, 100) is None
    assert history.added == [
        Knot(
            RAW + at,
            {
                "receiver": (30, 100),
                "ntp": (4 * MS, 2 * MS),
                "cesium": (42, 100),
                "rtc": (-3 * MS, 777),  # as sharp as its tick was seen
                "phc": (9 * MS, 55),
            },
        )
    ]


def test_who_is_silent_is_not_compared_and_a_cesium_of_an_earlier_second_is_silent():
    history = History()
    blame(Said(apart=(RAW - 1, 12), cesium=Standard()), history).accepted(RAW, UTC, 100)
    assert history.added == [Knot(RAW, {"receiver": (0, 100)})]


@pytest.mark.parametrize("standard", [Standard(lost_count=True), Standard(since_ns=RAW + 1), None])
def test_a_cesium_that_lost_count_of_the_seconds_accuses_nobody(standard):
    history = History()
    blame(Said(apart=(RAW, 12), cesium=standard), history).accepted(RAW, UTC, 100)
    assert history.added == [Knot(RAW, {"receiver": (0, 100)})]


# ---- accepted seconds ----------------------------------------------------------------------------------


def test_between_two_knots_nothing_is_compared():
    history = History(DRIFTS)
    assert blame(Said(), history).accepted(RAW - 1, UTC - 1, 100) is None
    assert history.added == []


def test_who_drifts_is_named_when_it_is_found_and_again_only_after_it_was_not():
    history = History(DRIFTS)
    made = blame(Said(), history)
    evidence = {"moved_ns": 7 * MS, "took_ns": 3600 * S, "witnesses": ["raw", "receiver"]}
    assert made.accepted(RAW, UTC, 100) == Accuse(RAW, "rtc", evidence)
    assert made.accepted(RAW, UTC, 100) is None
    history.verdict = Verdict("ntp", 1, 2, ())
    assert made.accepted(RAW, UTC, 100) == Accuse(RAW, "ntp", {"moved_ns": 1, "took_ns": 2, "witnesses": []})
    history.verdict = None
    assert made.accepted(RAW, UTC, 100) is None
    history.verdict = Verdict("ntp", 1, 2, ())
    assert made.accepted(RAW, UTC, 100) is not None


def test_with_a_new_anchor_the_history_begins_anew():
    history = History(DRIFTS)
    made = blame(Said(), history)
    made._judge.anchor = Anchor(RAW, UTC, 5)
    assert made.accepted(RAW, UTC, 100) is None
    assert history.added == []
    assert made._rates.before(RAW + 1) is not None
    rates = made._rates
    made.accepted(RAW + 900 * S, UTC + 900 * S, 100)
    assert made._rates is rates  # once


# ---- rejected seconds ------------------------------------------------------------------------------------


AT = 40 * S
BEGAN = 10 * S


def rejected(
    made: Blame,
    moved_ns: int | None = 100 * MS,
    *,
    reason: str = "drift-mask",
    last_word: bool = False,
    at_ns: int = AT,
    began_ns: int = BEGAN,
) -> Accuse | None:
    refused = Refused(RAW + at_ns, reason, 1, 0, moved_ns=moved_ns)
    return made.rejected(RAW + at_ns + 5, refused, RAW + began_ns, last_word)


def test_what_did_not_move_accuses_nobody():
    assert rejected(blame(Said()), None, last_word=True) is None


def test_the_receiver_is_named_with_how_far_it_moved_since_when_and_against_whom():
    made = blame(Said(fresh=(about(0, 0, AT), about(0, 0, AT), True)))
    evidence = {"moved_ns": 100 * MS, "took_ns": BEGAN, "witnesses": ["raw", "ntp", "rtc"]}
    assert rejected(made) == Accuse(RAW + AT + 5, "receiver", evidence)


@pytest.mark.parametrize(("off_ns", "named"), [(MS, True), (MS + 1, False), (-MS, True), (-MS - 1, False)])
def test_the_prediction_may_be_off_by_the_first_mask(off_ns, named):
    made = blame(Said(fresh=(about(off_ns, 0, AT), None, True)))
    assert (rejected(made) is not None) is named


def test_they_are_asked_since_the_episode_began_with_the_rate_that_the_counter_would_have():
    said = Said()
    rejected(blame(said), 30 * MS)
    assert said.asked == (RAW + BEGAN, RAW + AT, 10**9)  # 30 ms in 30 s: 1000 ppm
    rejected(blame(said), -30 * MS)
    assert said.asked[2] == 10**9
    rejected(blame(said), 30 * MS, began_ns=AT)
    assert said.asked[2] == 30 * 10**9  # in a second at least


@pytest.mark.parametrize(("at_ns", "speaks"), [(BEGAN + 200 * S - 1, False), (BEGAN + 200 * S, True)])
def test_it_waits_for_those_who_have_not_spoken_but_not_for_ever(at_ns, speaks):
    made = blame(Said(fresh=(about(0, 0, at_ns), None, False)))
    assert (rejected(made, at_ns=at_ns) is not None) is speaks


def test_nobody_is_ambiguous_before_the_last_word():
    made = blame(Said())
    assert rejected(made) is None
    evidence = {"moved_ns": 100 * MS, "took_ns": BEGAN, "witnesses": []}
    assert rejected(made, last_word=True) == Accuse(RAW + AT + 5, "ambiguous", evidence)


def test_where_the_others_cannot_tell_the_rates_may():
    history = History(DRIFTS, before=Knot(RAW, {}))
    found = rejected(blame(Said(), history))
    assert found is not None
    assert (found.source, found.raw_ns) == ("rtc", RAW + AT + 5)
    assert history.added == [Knot(RAW + AT, {"receiver": (100 * MS, 0)})]
    assert rejected(blame(Said(), History(DRIFTS))) is None  # there is no history yet


def test_where_the_quorum_objects_and_did_not_move_the_rates_may_tell_too_and_then_the_last_word():
    known = Knot(RAW, {})
    found = rejected(blame(Said(), History(DRIFTS, before=known)), reason="quorum")
    assert found is not None
    assert found.source == "rtc"
    assert rejected(blame(Said(), History(None, before=known)), reason="quorum") is None
    found = rejected(blame(Said(), History(None, before=known)), reason="quorum", last_word=True)
    assert found is not None
    assert found.source == "ambiguous"


def test_a_cesium_whose_distance_was_not_taken_says_nothing():
    history = History()
    blame(Said(cesium=Standard()), history).accepted(RAW, UTC, 100)
    assert history.added == [Knot(RAW, {"receiver": (0, 100)})]


def test_a_cesium_is_asked_whether_this_very_second_goes_on_from_the_last():
    cesium = Standard()
    blame(Said(cesium=cesium, apart=(RAW, 12)), History()).accepted(RAW, UTC + 5, 100)
    assert cesium.asked == (RAW, UTC + 5, 12)


def test_a_network_card_is_not_asked_about_a_rejected_second():
    history = History(None, before=Knot(RAW, {}))
    rejected(blame(Said(further=Card(Clock(about(0, 5, AT)))), history))
    assert "phc" not in history.added[0].offsets


# ---- receiver, or cesium -----------------------------------------------------------------------------


class Corner:
    """A hat that says who."""

    def __init__(self, who: str | None) -> None:
        self.who, self.seen, self.asked = who, list[Seen](), list[int]()

    def see(self, seen: Seen) -> None:
        self.seen.append(seen)

    def guilty(self, began_ns: int) -> str | None:
        self.asked.append(began_ns)
        return self.who


def hatted(who: str | None, mask: int | None = 2, said: Said | None = None) -> tuple[Accuse | None, Corner]:
    made = blame(said or Said(), History())
    made._hat = corner = Corner(who)  # type: ignore[assignment]
    refused = Refused(RAW + AT, "drift-mask", 1, 0, mask=mask, moved_ns=100 * MS)
    return made.rejected(RAW + AT + 5, refused, RAW + BEGAN, False), corner


@pytest.mark.parametrize(
    ("who", "moved_ns", "witnesses"),
    [("receiver", 100 * MS, ["raw", "cesium"]), ("cesium", -100 * MS, ["raw", "receiver"])],
)
def test_of_receiver_and_cesium_the_one_that_left_the_counter_is_named(who, moved_ns, witnesses):
    found, corner = hatted(who)
    evidence = {"moved_ns": moved_ns, "took_ns": AT - BEGAN, "witnesses": witnesses}
    assert found == Accuse(RAW + AT + 5, who, evidence)
    assert corner.asked == [RAW + BEGAN]


def test_the_hat_is_asked_where_the_cesium_objects_and_nowhere_else():
    assert hatted("receiver", mask=1)[0] is None
    assert hatted(None)[0] is None


def test_the_hat_sees_both_pulses_of_each_second_judged():
    said = Said(apart=(RAW + AT, 12), cesium=Standard(34))
    assert hatted(None, said=said)[1].seen == [Seen(RAW + AT, 34, 12)]
    made = blame(said, History())
    made._hat = corner = Corner(None)  # type: ignore[assignment]
    made.accepted(RAW - 1, UTC - 1, 100)
    assert corner.seen == [Seen(RAW + AT, 34, 12)]
    assert hatted(None, said=Said(cesium=Standard(34)))[1].seen == []
    assert hatted(None, said=Said(apart=(RAW, 12)))[1].seen == []


# ---- the quorum, or the counter ---------------------------------------------------------------------------


def stepped(now: Interval | None, then: tuple[int, int] | None, reason: str = "quorum") -> Accuse | None:
    """The quorum objects; where it lay 20 s before the episode, in (offset, half-width)."""
    offsets = {} if then is None else {"ntp": then}
    history = History(None, before=Knot(RAW - 20 * S, offsets))
    return rejected(blame(Said(quorum=now), history, unc_ppt=10**6), 50 * MS, reason=reason)


# Half-widths of 3 and 2 ms, 1 ppm of a minute, and the first mask.
WITHIN = 3 * MS + 2 * MS + 60_000 + MS


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("then_ns", [0, 4 * MS])
def test_a_quorum_that_left_its_place_on_the_counter_is_named(sign, then_ns):
    moved = sign * WITHIN
    assert stepped(about(then_ns + moved, 3 * MS, AT), (then_ns, 2 * MS)) is None
    moved += sign
    evidence = {"moved_ns": moved, "took_ns": AT + 20 * S, "witnesses": ["receiver", "raw"]}
    found = stepped(about(then_ns + moved, 3 * MS, AT), (then_ns, 2 * MS))
    assert found == Accuse(RAW + AT, "ntp", evidence)


def test_a_quorum_that_was_not_heard_then_or_now_is_not_named():
    assert stepped(about(10 * WITHIN, 3 * MS, AT), None) is None
    assert stepped(None, (0, 2 * MS)) is None
    assert rejected(blame(Said(quorum=about(10 * WITHIN, 0, AT)), History()), reason="quorum") is None


def counter(moved_ns: int, ntp_moved_ns: int) -> str | None:
    """Who is named when quorum and RTC hold with the receiver, after the quorum moved so far."""
    there = about(moved_ns, 0, AT)
    said = Said(quorum=about(ntp_moved_ns, 3 * MS, AT), fresh=(there, there, True))
    history = History(None, before=Knot(RAW - 20 * S, {"ntp": (0, 2 * MS)}))
    found = rejected(blame(said, history, unc_ppt=10**6), moved_ns)
    return None if found is None else found.source


@pytest.mark.parametrize("sign", [1, -1])
def test_the_counter_is_named_if_the_quorum_left_it_as_well(sign):
    assert counter(sign * 100 * MS, sign * 100 * MS) == "raw"
    assert counter(sign * 100 * MS, sign * (100 * MS - WITHIN)) == "raw"
    # If not, it is the receiver that had walked away and now steps back.
    assert counter(sign * 100 * MS, sign * (100 * MS - WITHIN - 1)) is None
    assert counter(sign * 100 * MS, -sign * 100 * MS) is None
    # And what the quorum moved must be more than nothing.
    assert counter(sign * 10 * MS, sign * WITHIN) is None
    assert counter(sign * 10 * MS, sign * (WITHIN + 1)) == "raw"


@pytest.mark.parametrize("sign", [1, -1])
def test_however_little_the_last_step_was_it_is_its_direction_that_counts(sign):
    there = about(sign * (MS + 1), 0, AT)
    said = Said(quorum=about(sign * 2 * WITHIN, 3 * MS, AT), fresh=(there, there, True))
    history = History(None, before=Knot(RAW - 20 * S, {"ntp": (0, 2 * MS)}))
    found = rejected(blame(said, history, unc_ppt=10**6), sign)
    assert found is not None
    assert found.source == "raw"


def test_a_counter_is_not_named_where_the_quorum_s_place_is_not_known():
    there = about(100 * MS, 0, AT)
    assert rejected(blame(Said(fresh=(there, there, True)), History())) is None


def test_a_rejection_by_the_quorum_does_not_ask_it_who_is_wrong():
    made = blame(Said(fresh=(about(0, 0, AT), about(0, 0, AT), True)), History())
    assert rejected(made, reason="quorum") is None
