"""A network card's clock: what it tells, and what makes it no witness."""

import pytest

from refclock.core.blame.rates import Knot, Rates
from refclock.core.seconds.interval import Interval, RawRate
from refclock.core.witness.phc import PhcWitness
from refclock.model import Mode, ModeChange, PhcReading, Publish
from refclock.units import NS_PER_MS, NS_PER_S, NS_PER_US, PPT_PER_PPM
from tests.unit.test_core_host import Host, accused, only, reasons

EXACT = RawRate(0, 0)
UTC = 1_803_859_200 * NS_PER_S
TAI = 37 * NS_PER_S


class Card:
    """A counter, a system clock and a card's clock, each with a rate of its own (ppm) against UTC."""

    def __init__(self, phc_ppm=12, real_ppm=0):
        self.phc = PhcWitness()
        self.now, self.phc_ppm, self.real_ppm = 0, phc_ppm, real_ppm
        self.extra = 0
        self.unc = 500
        self.rate = EXACT

    def reading(self):
        phc = UTC + TAI + self.now + self.now * self.phc_ppm // 10**6 + self.extra
        real = UTC + self.now + self.now * self.real_ppm // 10**6
        return PhcReading(self.now, real, self.unc, "phc0", phc)

    def run(self, seconds, every=16):
        """Reads for so long; the reasons that came up."""
        found = []
        for _ in range(seconds // every):
            self.now += every * NS_PER_S
            refused = self.phc.take(self.reading(), self.rate)
            if refused is not None:
                assert refused.value >= 0
                found.append(refused.reason)
        return found

    def anchor(self, error=1_000):
        self.phc.anchor(self.now, UTC + self.now, error, self.rate)

    def interval(self):
        return self.phc.interval(self.now, self.rate)


@pytest.mark.parametrize("ppm", [0, 12, -40, 499, -499])
def test_learnt_over_the_dwell_it_counts_utc_from_the_first_feed_on(ppm):
    card = Card(ppm)
    assert card.run(128) == []
    assert card.interval() is None
    card.anchor()
    assert card.phc.anchored
    assert card.run(86_400) == []
    said = card.interval()
    assert said is not None
    assert said.holds(UTC + card.now)
    assert said.half_ns < 300 * NS_PER_MS
    assert card.phc.reading_unc_ns == 500


def test_an_enrolled_rate_needs_no_learning():
    card = Card(100)
    card.phc.enroll(100 * PPT_PER_PPM, 1000)
    card.run(16)
    card.anchor()
    card.run(50_000)
    said = card.interval()
    assert said is not None
    assert said.holds(UTC + card.now)
    assert card.phc.drift_ppt == 2 * PPT_PER_PPM + 1000


def test_one_that_was_read_for_less_than_a_minute_or_not_lately_is_not_anchored():
    card = Card()
    card.anchor()
    card.run(48)
    card.anchor()
    assert not card.phc.anchored
    card.run(64)
    card.now += 65 * NS_PER_S
    card.anchor()
    assert not card.phc.anchored
    assert card.phc.drift_ppt == 500 * PPT_PER_PPM


def test_it_is_void_when_it_falls_silent():
    card = Card()
    card.run(128)
    card.anchor()
    assert card.phc.interval(card.now + 64 * NS_PER_S, EXACT) is not None
    assert card.phc.interval(card.now + 65 * NS_PER_S, EXACT) is None
    assert card.phc.age_ns(card.now + 5) == 5


def test_it_widens_as_it_ages():
    card = Card()
    card.run(128)
    card.anchor()
    before = card.interval()
    card.run(3600)
    after = card.interval()
    assert before is not None
    assert after is not None
    assert after.half_ns > before.half_ns + 7 * NS_PER_MS
    later = card.phc.interval(card.now + NS_PER_S, RawRate(0, PPT_PER_PPM))
    assert later is not None
    assert later.half_ns >= after.half_ns + NS_PER_US


def test_one_that_stands_still_is_no_witness():
    card = Card(-1_000_000)
    assert card.run(160) == ["phc-frozen"]
    card.anchor()
    assert card.interval() is None


@pytest.mark.parametrize("ppm", [510, -510, 5_000, -5_000])
def test_one_that_no_crystal_could_be_is_no_witness(ppm):
    assert Card(ppm).run(160) == ["phc-rate"]


@pytest.mark.parametrize("step", [NS_PER_S, -NS_PER_S, 500 * NS_PER_US, -500 * NS_PER_US, 10**18, -(10**18)])
@pytest.mark.parametrize("anchored", [True, False])
def test_one_that_jumped_is_no_witness(step, anchored):
    card = Card()
    card.run(128)
    if anchored:
        card.anchor()
    card.extra = step
    assert card.run(160) == ["phc-step"]
    assert card.interval() is None


def test_one_that_jumps_by_a_little_each_time_is_caught_walking():
    card = Card()
    card.run(128)
    card.anchor()
    found = []
    for _ in range(100):
        card.extra += 80 * NS_PER_US
        found += card.run(16)
    assert found == ["phc-step"]


def test_what_it_walked_is_known_no_better_than_the_reading_it_was_anchored_at():
    card = Card()
    card.run(4_800)
    card.now += NS_PER_S
    card.unc, card.extra = 95_000, 95_000
    assert card.phc.take(card.reading(), card.rate) is None
    card.anchor()
    card.unc, card.extra = 500, 0
    assert card.run(10, every=1) == []
    card.extra = -20_000
    assert card.run(10, every=1) == []
    card.extra = -1_000_000
    assert card.run(1, every=1) == ["phc-step"]


@pytest.mark.parametrize("real_ppm", [5, -20])
def test_one_that_is_made_to_follow_the_system_clock_is_no_witness(real_ppm):
    card = Card(real_ppm, real_ppm)
    assert card.run(3600) == []
    assert card.run(64) == ["phc-disciplined"]


def test_a_crystal_of_its_own_is_not_taken_to_follow():
    card = Card(12, 5)
    assert card.run(30_000) == []
    alone = Card(0, 0)  # nobody steers the system clock: nothing can be told
    assert alone.run(30_000) == []


def test_a_reading_that_is_not_sharp_or_not_later_counts_for_nothing():
    card = Card()
    card.unc = 200_000
    card.run(160)
    assert not card.phc.present
    card.unc = 500
    card.run(16)
    reading = card.reading()
    card.extra = NS_PER_S
    assert card.phc.take(card.reading(), EXACT) is None
    assert card.phc.age_ns(reading.raw_ns) == 0


def test_a_counter_that_began_anew_or_an_enrolment_begins_a_new_acquaintance():
    card = Card()
    card.run(128)
    card.anchor()
    card.extra = NS_PER_S
    assert card.run(16) == ["phc-step"]
    card.phc.forget_raw()
    assert not card.phc.present
    assert card.run(128) == []
    card.anchor()
    said = card.interval()
    assert said is not None
    assert said.holds(UTC + card.now)


# ---- in the bridge -------------------------------------------------------------------------------


def read(host, extra_ns=0, ppm=7):
    """The host reads its card's clock."""
    raw, real, _ = host.stamp(host.now_s * NS_PER_S - 600_000_000)
    return host.step(PhcReading(raw, real, 400, "phc0", TAI + raw + raw * ppm // 10**6 + extra_ns))


def live(host, seconds, extra_ns=0):
    found = []
    for _ in range(seconds // 16):
        found += host.second(16)
        found += read(host, extra_ns)
    return found


def row(host):
    rows = host.bridge.view(host.stamp(host.now_s * NS_PER_S)[0])["witnesses"]
    return next(one for one in rows if one["name"] == "phc")


def assessed(host):
    said = host.bridge.vetting.assessment
    assert said is not None
    return said


def test_once_anchored_it_counts_among_those_who_agree():
    host = Host()
    live(host, 160)
    assert host.mode is Mode.VETTED
    live(host, 64)
    assert assessed(host).agreeing == 3
    assert assessed(host).before_trust == 2
    assert row(host)["state"] == "agrees"
    host.rtc_silent = True
    live(host, 320)
    assert host.mode is Mode.VETTED  # quorum and PHC


def test_before_the_first_feed_it_is_nobody():
    host = Host()
    host.rtc_silent = True
    live(host, 3600)
    assert host.mode is Mode.ACQUIRING
    assert only(host.decisions, Publish) == []
    assert row(host)["detail"] == "has no date before the first feed"


def test_one_that_jumps_is_told_and_loses_its_voice():
    host = Host()
    live(host, 320)
    found = live(host, 64, NS_PER_S)
    assert "phc-step" in reasons(found)
    assert only(found, ModeChange) == []
    assert row(host)["state"] == "no opinion"
    assert "jumped" in row(host)["detail"]


def test_its_rate_is_enrolled_remembered_and_restored():
    host = Host()
    host.command("restore", phc_rate_ppt=7_000_000, phc_rate_unc_ppt=10)
    assert host.bridge.vetting.witnesses.further.phc.enrolled == (7_000_000, 10)
    kept = host.bridge.memory()
    assert (kept["phc_rate_ppt"], kept["phc_rate_unc_ppt"]) == (7_000_000, 10)


# ---- who drifts ----------------------------------------------------------------------------------


def drift(ppm, hours=24):
    """The last verdict on sources that drift so; ``raw`` is against all others."""
    rates, verdict = Rates(700_000, 20 * PPT_PER_PPM, 2 * PPT_PER_PPM), None
    for quarter in range(hours * 4 + 1):
        at = quarter * 900 * NS_PER_S
        offsets = {name: (at * one // 10**6, 1_000) for name, one in ppm.items()}
        verdict = rates.add(Knot(at, offsets)) or verdict
    return verdict


def test_a_card_that_drifts_is_named():
    verdict = drift({"receiver": 0, "ntp": 0, "phc": 30})
    assert verdict is not None
    assert verdict.source == "phc"


def test_its_word_helps_to_name_the_receiver():
    assert drift({"receiver": 5}) is None
    assert drift({"receiver": 60, "phc": 0}, hours=2).source == "receiver"


def test_it_does_not_convict_the_raw_counter():
    """A card that something steers along with a lying receiver must not win it a new beginning."""
    verdict = drift({"receiver": 30, "phc": 30})
    assert verdict is None or verdict.source != "raw"


def test_it_takes_no_verdict_away():
    alone = drift({"receiver": 20, "ntp": 0, "rtc": 0})
    assert alone is not None
    assert alone.source == "receiver"
    assert drift({"receiver": 20, "ntp": 0, "rtc": 0, "phc": 20}).source == "receiver"


def test_a_live_host_asks_its_card_who_drifts():
    host = Host()
    live(host, 2000)
    blame = host.bridge.vetting.blame
    assert blame is not None
    knot = blame._rates.before(host.stamp(host.now_s * NS_PER_S)[0])
    assert knot is not None
    assert "phc" in knot.offsets
    assert accused(host.decisions) == []


# ---- to the nanosecond -----------------------------------------------------------------------------

BASE = 9 * 10**12


def reading(at_ns, off_ns=0, unc=500, real_off_ns=0):
    """Read so long after BASE, when it shows that time and ``off_ns`` more."""
    return PhcReading(BASE + at_ns, UTC + at_ns + real_off_ns, unc, "phc0", UTC + TAI + at_ns + off_ns)


def known(*readings, rate=EXACT, enrolled=None):
    """A card that was read so, without a complaint."""
    phc = PhcWitness()
    if enrolled is not None:
        phc.enroll(*enrolled)
    for one in readings:
        assert phc.take(one, rate) is None
    return phc


def complaint(phc, one, rate=EXACT):
    found = phc.take(one, rate)
    return None if found is None else (found.reason, found.value, found.limit)


S16 = 16 * NS_PER_S


def test_before_its_first_reading_it_is_nothing():
    phc = PhcWitness()
    assert phc.age_ns(5) is None
    assert phc.reading_unc_ns == 0
    assert not phc.present
    assert phc.interval(5, EXACT) is None


@pytest.mark.parametrize(("unc", "heard"), [(100_000, True), (100_001, False)])
def test_a_reading_of_a_hundred_microseconds_is_the_last_that_counts(unc, heard):
    assert known(reading(0, unc=unc)).present is heard


def test_it_stands_still_below_a_thousandth_of_its_rate():
    assert complaint(known(reading(0)), reading(S16, -S16 + 15_999_999)) == (
        "phc-frozen",
        15_999_999,
        16_000_000,
    )
    assert complaint(known(reading(0)), reading(S16, -S16)) == ("phc-frozen", 0, 16_000_000)
    for off in (16_000_000, -1):  # slow, or backwards: it does not stand still
        assert complaint(known(reading(0)), reading(S16, -S16 + off))[0] == "phc-step"


@pytest.mark.parametrize("sign", [1, -1])
def test_beyond_500_ppm_and_what_the_readings_hide_it_is_no_crystal(sign):
    fastest = 300 + 500 + 20_000 + 8_000_000
    first = reading(0, unc=300)
    assert complaint(known(first), reading(S16, sign * fastest)) is None
    assert complaint(known(first), reading(S16, sign * (fastest + 1))) == ("phc-rate", fastest + 1, fastest)
    # By more than a hundredth it jumped; and one whose rate is known jumped in any case.
    assert complaint(known(first), reading(S16, sign * 160_000_000))[0] == "phc-rate"
    assert complaint(known(first), reading(S16, sign * 160_000_001))[0] == "phc-step"
    enrolled = known(first, enrolled=(0, 0))
    assert complaint(enrolled, reading(S16, sign * (fastest + 1))) == ("phc-step", fastest + 1, fastest)


@pytest.mark.parametrize("sign", [1, -1])
def test_an_enrolled_card_may_stray_by_its_crystal_its_measurement_and_the_counter(sign):
    """2 ppm, 1 ppb and 3 ppm over 16 s, beside the readings' 20.8 us."""
    rate, slack = RawRate(0, 3 * PPT_PER_PPM), 300 + 500 + 20_000 + 80_016
    for beyond, told in ((0, None), (1, ("phc-step", slack + 1, slack))):
        phc = known(reading(0, unc=300), rate=rate, enrolled=(0, 1000))
        assert complaint(phc, reading(S16, sign * (slack + beyond)), rate) == told


def test_a_learnt_rate_is_one_against_the_counter_and_strays_with_both_crystals():
    rate = RawRate(0, 3 * PPT_PER_PPM)
    for beyond in (0, 1):
        phc = known(reading(0, unc=300), reading(64 * NS_PER_S, unc=700), rate=rate)
        phc.anchor(BASE + 64 * NS_PER_S, UTC, 0, rate)
        learnt = 15_625 + 1 + 3 * PPT_PER_PPM  # 1000 ns in 64 s, and the counter's own
        assert phc.drift_ppt == 2 * PPT_PER_PPM + learnt
        slack = 700 + 500 + 20_000 + -(-S16 * (4 * PPT_PER_PPM + learnt) // 10**12)
        told = complaint(phc, reading(64 * NS_PER_S + S16, slack + beyond), rate)
        assert told == (("phc-step", slack + 1, slack) if beyond else None)


def test_an_enrolled_rate_is_what_it_is_judged_by_from_the_first_reading_on():
    phc = known(reading(0), enrolled=(100 * PPT_PER_PPM, 0))
    assert complaint(phc, reading(S16))[0] == "phc-step"  # it should have gained 1.6 ms
    phc = known(reading(0), reading(64 * NS_PER_S))
    phc.anchor(BASE + 64 * NS_PER_S, UTC, 0, EXACT)
    phc.enroll(50 * PPT_PER_PPM, 0)  # and one enrolled later too
    assert complaint(phc, reading(80 * NS_PER_S, 800_000)) is None


@pytest.mark.parametrize("sign", [1, -1])
def test_the_way_that_it_walked_may_be_what_it_drifts_since_the_anchor(sign):
    """53 us for each reading, and 2 ppm of the time since: the third of three steps is one too many."""
    for beyond in (0, 1):
        phc = known(reading(0), enrolled=(0, 0))
        phc.anchor(BASE, UTC, 0, EXACT)
        walked = 0
        for number, step in ((1, 50_000), (2, 50_000), (3, 49_000 + beyond)):
            walked += sign * step
            told = complaint(phc, reading(number * S16, walked))
            assert told == (("phc-step", 149_001, 149_000) if number == 3 and beyond else None)


def test_a_new_anchor_forgets_the_way_walked_before_it():
    phc = known(reading(0), enrolled=(0, 0))
    phc.anchor(BASE, UTC, 0, EXACT)
    assert complaint(phc, reading(S16, 50_000)) is None
    phc.anchor(BASE + S16, UTC, 0, EXACT)
    assert complaint(phc, reading(2 * S16, 100_000)) is None
    assert complaint(phc, reading(3 * S16, 150_000)) is None


def followed(hour_s=3600, beside_ns=0, steered_ns=100_500, unc=500):
    """A card that keeps to the system clock, which is steered away from the counter."""
    phc = known(reading(0))
    half = 1800 * NS_PER_S
    assert phc.take(reading(half, steered_ns + beside_ns, unc, steered_ns), EXACT) is None
    last = hour_s * NS_PER_S
    return complaint(phc, reading(last, steered_ns, unc, steered_ns))


def test_it_follows_the_system_clock_within_20_us_for_an_hour_while_that_leaves_the_counter_by_100():
    assert followed() == ("phc-disciplined", 0, 20_000)
    assert followed(beside_ns=20_500) == ("phc-disciplined", 20_500, 20_000)
    assert followed(beside_ns=20_501) is None
    assert followed(steered_ns=100_499) is None
    phc = known(reading(0))
    assert phc.take(reading(3600 * NS_PER_S - 1, 100_500, 500, 100_500), EXACT) is None


def test_an_hour_begins_anew_where_it_did_not_follow():
    phc = known(reading(0))
    assert complaint(phc, reading(64 * NS_PER_S, 30_000)) is None  # 30 us of its own
    at = 64 * NS_PER_S + 3600 * NS_PER_S
    assert complaint(phc, reading(at, 30_000 + 200_000, real_off_ns=200_000)) == (
        "phc-disciplined",
        0,
        20_000,
    )


@pytest.mark.parametrize(("span_ns", "learns"), [(60 * NS_PER_S - 1, False), (60 * NS_PER_S, True)])
def test_a_rate_is_learnt_over_a_minute(span_ns, learns):
    phc = known(reading(0), reading(span_ns))
    phc.anchor(BASE + span_ns, UTC, 0, EXACT)
    assert phc.anchored is learns


@pytest.mark.parametrize(("later_s", "anchored"), [(64, True), (65, False)])
def test_one_that_was_not_read_lately_is_not_anchored_and_loses_an_old_anchor(later_s, anchored):
    phc = known(reading(0), reading(64 * NS_PER_S))
    phc.anchor(BASE + 64 * NS_PER_S, UTC, 0, EXACT)
    assert phc.anchored
    phc.anchor(BASE + (64 + later_s) * NS_PER_S, UTC, 0, EXACT)
    assert phc.anchored is anchored


def test_one_with_a_fault_is_not_anchored():
    phc = known(reading(0), reading(64 * NS_PER_S))
    assert phc.take(reading(80 * NS_PER_S, NS_PER_S), EXACT) is not None
    phc.anchor(BASE + 80 * NS_PER_S, UTC, 0, EXACT)
    assert not phc.anchored


def test_what_was_learnt_once_is_not_learnt_again():
    rate = RawRate(0, 3 * PPT_PER_PPM)
    phc = known(reading(0), reading(64 * NS_PER_S), rate=rate)
    phc.anchor(BASE + 64 * NS_PER_S, UTC, 0, rate)
    before = phc.drift_ppt
    phc.anchor(BASE + 64 * NS_PER_S, UTC, 0, rate)
    assert phc.drift_ppt == before


@pytest.mark.parametrize("apart_s", [10, -10])
def test_anchored_it_tells_that_time_within_the_feed_s_error_its_readings_and_what_the_counter_hides(apart_s):
    """1000 ns, 500 ns twice, and 10 s at 1 ppm; a quarter of a minute later also its own drift."""
    rate = RawRate(0, PPT_PER_PPM)
    phc = known(reading(0), enrolled=(0, 1000))
    phc.anchor(BASE + apart_s * NS_PER_S, UTC + apart_s * NS_PER_S, 1000, rate)
    half = 1000 + 500 + 500 + 10_000
    assert phc.interval(BASE, rate) == Interval(UTC - half, UTC + half, BASE)
    assert phc.take(reading(S16), rate) is None
    half += -(-S16 * (2 * PPT_PER_PPM + 1000) // 10**12)
    assert phc.interval(BASE + S16, rate) == Interval(UTC + S16 - half, UTC + S16 + half, BASE + S16)


@pytest.mark.parametrize("ppm", [0, 40])
def test_how_well_its_rate_is_known_is_how_well_it_was_measured(ppm):
    """The blame weighs it by that: what it may stray is another matter (drift_ppt)."""
    phc = known(reading(0, unc=300), reading(64 * NS_PER_S, unc=700))
    assert phc.rate_unc_ppt == 500 * PPT_PER_PPM
    phc.anchor(BASE + 64 * NS_PER_S, UTC, 0, RawRate(0, 3 * PPT_PER_PPM))
    assert phc.rate_unc_ppt == 15_625 + 1 + 3 * PPT_PER_PPM
    phc.enroll(ppm * PPT_PER_PPM, 700)  # goes before what was learnt
    assert phc.rate_unc_ppt == 700


def test_an_enrolled_card_has_no_date_before_the_first_feed_either():
    phc = known(reading(0), enrolled=(0, 1000))
    assert phc.interval(BASE, EXACT) is None


def test_a_reading_that_lies_a_little_before_the_anchor_s_makes_it_no_surer():
    """Readings err by their stated uncertainty, and so may seem to go backwards."""
    phc = known(reading(0), enrolled=(0, 0))
    phc.anchor(BASE, UTC, 1000, EXACT)
    assert phc.take(reading(1000, -11_000), EXACT) is None
    said = phc.interval(BASE + 1000, EXACT)
    assert said is not None
    assert said.half_ns == 1000 + 500 + 500 + 1
