"""A network card's clock: what it tells, and what makes it no witness."""

import pytest

from refclock.core.blame.rates import Knot, Rates
from refclock.core.seconds.interval import RawRate
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
