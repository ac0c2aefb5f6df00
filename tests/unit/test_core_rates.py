"""Who drifts, by rates over hours; and the ledger and groups that people read."""

import pytest

from refclock.core.blame.rates import Knot, Rates, Verdict, offset
from refclock.core.gate.ledger import Probes
from refclock.core.seconds.interval import Interval
from refclock.core.telling.refusals import MOST, Refusals
from refclock.model import Accuse, Withhold
from refclock.units import NS_PER_MS, NS_PER_S, NS_PER_US

QUARTER = 900 * NS_PER_S
PPM = 10**6


def course(hours: int, **rates_ppt: int) -> list[tuple[str, int]]:
    """Sources that drift at these rates from the start; what is said, knot by knot."""
    rates = Rates(PPM // 2, PPM, 0)
    said = []
    for number in range(hours * 4 + 1):
        raw = number * QUARTER
        halves = {"receiver": NS_PER_US, "ntp": 10 * NS_PER_MS, "rtc": NS_PER_MS}
        offsets = {name: (raw * rates_ppt.get(name, 0) // 10**12, half) for name, half in halves.items()}
        verdict = rates.add(Knot(raw, offsets))
        if verdict is not None:
            said.append((verdict.source, verdict.moved_ns))
    return said


def test_nobody_drifts_nobody_is_named():
    assert course(26) == []


@pytest.mark.parametrize(
    ("drift", "source"),
    [
        ({"receiver": 50 * PPM}, "receiver"),
        ({"rtc": 60 * PPM}, "rtc"),
        ({"ntp": 60 * PPM}, "ntp"),
        ({"receiver": 60 * PPM, "ntp": 60 * PPM}, "receiver+ntp"),
        ({"receiver": 60 * PPM, "ntp": 60 * PPM, "rtc": 60 * PPM}, "raw"),
    ],
)
def test_the_one_that_drifts_is_named_and_nobody_else(drift, source):
    said = course(8, **drift)
    assert said
    assert {name for name, _ in said} == {source}
    moved = said[0][1]
    assert moved < 0 if source == "raw" else moved > 0


def test_a_quarter_of_an_hour_between_knots():
    rates = Rates(1, 1, 0)
    assert rates.due(0)
    assert rates.before(0) is None
    rates.add(Knot(0, {}))
    assert not rates.due(QUARTER - 1)
    assert rates.due(QUARTER)
    found = rates.before(1)
    assert found is not None
    assert found.raw_ns == 0


def test_one_source_alone_cannot_be_judged():
    rates = Rates(PPM, PPM, 0)
    for number in range(40):
        assert rates.add(Knot(number * QUARTER, {"receiver": (0, 1)})) is None
    assert offset(None, 5) is None
    assert offset(Interval(10, 20, 0), 5) == (10, 5)


# ---- the model, reckoned by hand -------------------------------------------------------------------
# Over a thousand seconds a nanosecond is one ppt.
SPAN = 1000 * NS_PER_S
LONG = 20 * 3600 * NS_PER_S


def drifted(rates: Rates, **sources: tuple[int, int]) -> Verdict | None:
    """The verdict over SPAN; each source's drift (ppt) and half-width (ns)."""
    start = Knot(77, {name: (5, half) for name, (_, half) in sources.items()})
    end = Knot(77 + SPAN, {name: (5 + drift, half) for name, (drift, half) in sources.items()})
    return rates._judge(start, end)


@pytest.mark.parametrize(
    ("name", "halves", "span", "sigma"),
    [
        ("receiver", (500, 3000), SPAN, 2000 + 3000 + 1000),
        ("cesium", (3000, 500), SPAN, 2000 + 3000 + 1000),
        ("ntp", (7000, 9000), SPAN, 4501 + 1000),
        ("ntp", (9000, 7000), SPAN, 4501 + 1000),
        ("rtc", (7000, 9000), SPAN, 4501 + 2_500_000),  # a crystal in a room, within the hour
        ("rtc", (7000, 9000), LONG - 1, 63 + 2_500_000),
        ("rtc", (7000, 9000), LONG, 63 + 1_655_294),  # over a day most of that averages out
        ("phc", (7000, 9000), LONG, 63 + 860_232),
        ("phc", (7000, 9000), SPAN, 4501 + 2_061_552),
    ],
)
def test_how_sharply_a_source_s_rate_is_known(name, halves, span, sigma):
    """The RTC's rate was enrolled within 3 ppm, the network card's within 1 ppm: half of
    that, and 2 ppm of a crystal's own (0.7 over a day), as squares."""
    start, end = halves
    assert Rates(1, 3 * PPM, PPM)._sigma_ppt(name, start, end, span) == sigma


# So that one standard deviation of the rate is 5000 ppt.
SHARP = {"receiver": 2000, "cesium": 2000, "ntp": 7998}


@pytest.mark.parametrize(("drift", "source"), [(36_742, None), (36_743, "receiver"), (-36_743, "receiver")])
def test_a_drift_is_seen_at_six_standard_deviations(drift, source):
    """Three rates of 5000 ppt each, one of which differs by x: chi-squared is 2/3 x^2."""
    found = drifted(Rates(5000, 0, 0), receiver=(drift, 2000), ntp=(0, 7998))
    assert (None if found is None else found.source) == source


@pytest.mark.parametrize(("drift", "source"), [(45_033, None), (45_034, "receiver")])
def test_the_runner_up_must_be_worse_by_twelve(drift, source):
    """That the NTP servers are wrong explains it but for x^2 / (5000^2 + 12000^2)."""
    found = drifted(Rates(12_000, 0, 0), receiver=(drift, 2000), ntp=(0, 7998))
    assert (None if found is None else found.source) == source


@pytest.mark.parametrize(("ntp", "source"), [(20_000, "receiver"), (20_001, None)])
def test_the_best_must_fit_within_sixteen(ntp, source):
    """The receiver is far off, but the servers and the counter differ too: by 20000 of 3000 and 4000."""
    found = drifted(Rates(4000, 0, 0), receiver=(10**6, 2000), ntp=(ntp, 3998))
    assert (None if found is None else found.source) == source


def test_a_verdict_says_how_far_in_what_time_and_against_whom():
    rates = Rates(5000, PPM, 0)
    far = 50 * PPM
    found = drifted(rates, receiver=(far, 2000), ntp=(0, 7998), rtc=(0, 1000), cesium=(0, 2000))
    assert found == Verdict("receiver", far, SPAN, ("raw", "cesium", "ntp", "rtc"))
    found = drifted(rates, receiver=(0, 2000), ntp=(0, 7998), rtc=(0, 1000), cesium=(-far, 2000))
    assert found == Verdict("cesium", -far, SPAN, ("raw", "ntp", "receiver", "rtc"))
    found = drifted(rates, receiver=(far, 2000), ntp=(far + 3, 7998), rtc=(0, 1000), cesium=(0, 2000))
    assert found == Verdict("receiver+ntp", far, SPAN, ("raw", "cesium", "rtc"))
    found = drifted(rates, receiver=(far, 2000), ntp=(far, 7998), rtc=(far, 1000), cesium=(far, 2000))
    assert found == Verdict("raw", -far, SPAN, ("cesium", "ntp", "receiver", "rtc"))


def test_sources_that_are_not_both_there_are_not_wrong_together():
    far = 50 * PPM
    found = drifted(Rates(5000, PPM, 0), receiver=(far, 2000), rtc=(0, 1000))
    assert found == Verdict("receiver", far, SPAN, ("raw", "rtc"))


def test_the_counter_is_found_wrong_without_a_receiver_too_but_by_nobody_s_measure():
    found = drifted(Rates(5000, PPM, 0), ntp=(50 * PPM, 7998), rtc=(50 * PPM, 1000))
    assert found == Verdict("raw", 0, SPAN, ("ntp", "rtc"))


def test_a_source_counts_where_it_was_heard_at_both_ends():
    rates = Rates(5000, PPM, 0)
    start = Knot(0, {"receiver": (0, 2000), "ntp": (0, 7998)})
    end = Knot(SPAN, {"receiver": (50 * PPM, 2000), "rtc": (0, 1000)})
    assert rates._judge(start, end) is None  # the receiver alone against the counter


def test_a_source_that_says_next_to_nothing_neither_raises_nor_helps():
    assert drifted(Rates(5000, PPM, 0), receiver=(50 * PPM, 2000), ntp=(0, 1 << 100)) is None


def test_a_counter_of_stated_perfection_is_taken_for_one_ppt():
    found = drifted(Rates(0, 0, 0), receiver=(10**6, 2000), ntp=(0, 7998))
    assert found is not None
    assert found.source == "receiver"
    assert Rates(0, 0, 0)._raw_sigma_ppt == 1
    assert Rates(2, 0, 0)._raw_sigma_ppt == 2


@pytest.mark.parametrize(("drift", "source"), [(367_423, None), (367_424, "receiver")])
def test_six_standard_deviations_are_enough(drift, source):
    """As above, ten times as wide: 36.0001 is within the thousandth of 36."""
    found = drifted(Rates(50_000, 0, 0), receiver=(drift, 47_000), ntp=(0, 97_998))
    assert (None if found is None else found.source) == source


@pytest.mark.parametrize(("ntp", "source"), [(200_001, "receiver"), (200_007, None)])
def test_what_fits_within_sixteen_fits(ntp, source):
    """By 200001 of 30000 and 40000: 16.0002."""
    found = drifted(Rates(40_000, 0, 0), receiver=(10**7, 2000), ntp=(ntp, 57_998))
    assert (None if found is None else found.source) == source


def test_a_runner_up_that_fits_nearly_as_well_keeps_the_best_from_being_named():
    """5.3 for the receiver, 9.5 for the servers: together they are more than twelve, apart they are not."""
    assert drifted(Rates(12_000, 0, 0), receiver=(40_000, 2000), ntp=(-30_000, 7998)) is None


def test_a_network_card_beside_others_that_do_not_drift_says_nothing():
    assert drifted(Rates(5000, PPM, PPM), receiver=(0, 2000), ntp=(0, 7998), phc=(0, 1000)) is None


def judged_last(knots: int, quiet: int, drift: int) -> Verdict | None:
    """The verdict on the last of so many knots, where the RTC drifts (ppt) after the quiet ones."""
    rates, found = Rates(1000, PPM, 0), None
    for number in range(knots + 1):
        moved = max(0, number - quiet) * QUARTER * drift // 10**12
        offsets = {"receiver": (0, 1000), "ntp": (0, 1000), "rtc": (moved, 1000)}
        found = rates.add(Knot(number * QUARTER, offsets))
    return found


def test_the_whole_history_speaks_first_and_then_the_longest_window():
    """A crystal that strays for 4 h shows over 6, not over 17; one that always did over all."""
    for knots, quiet, drift, window in ((70, 54, 20 * PPM, 24), (30, 0, 40 * PPM, 30)):
        found = judged_last(knots, quiet, drift)
        assert found is not None
        assert (found.source, found.took_ns // QUARTER) == ("rtc", window)


def test_a_network_card_adds_a_verdict_and_takes_none_away():
    rates, far = Rates(5000, PPM, PPM), 50 * PPM
    found = drifted(rates, receiver=(far, 2000), phc=(0, 1000))
    assert found == Verdict("receiver", far, SPAN, ("raw", "phc"))
    # without it the receiver is named; that it drifts otherwise changes nothing
    found = drifted(rates, receiver=(far, 2000), ntp=(0, 7998), phc=(3 * far, 1000))
    assert found == Verdict("receiver", far, SPAN, ("raw", "ntp"))
    found = drifted(rates, receiver=(0, 2000), ntp=(0, 7998), phc=(far, 1000))
    assert found == Verdict("phc", far, SPAN, ("raw", "ntp", "receiver"))


def test_a_network_card_does_not_convict_the_counter():
    assert drifted(Rates(5000, PPM, PPM), receiver=(50 * PPM, 2000), phc=(50 * PPM, 1000)) is None


def first_found(drift: int, after: int) -> tuple[int, int] | None:
    """When a receiver is named that begins to drift (ppt) after so many quiet knots, and over which window,
    both in knots since then."""
    rates = Rates(1, 0, 0)
    for number in range(after + 140):
        moved = max(0, number - after) * QUARTER * drift // 10**12
        offsets = {"receiver": (moved, 30_000), "ntp": (0, 1), "cesium": (0, 1)}
        verdict = rates.add(Knot(77 * NS_PER_S + number * QUARTER, offsets))
        if verdict is not None:
            return number - after, verdict.took_ns // QUARTER
    return None


@pytest.mark.parametrize(
    ("knots", "drift"),
    [
        (4, 59_400), (8, 32_700), (12, 23_800), (16, 19_400), (24, 14_900), (32, 12_700), (48, 10_450),
        (64, 9_340), (80, 8_670), (96, 8_225),
    ],
)  # fmt: skip
def test_a_drift_is_found_in_the_first_window_that_shows_it(knots, drift):
    """1 h to 24 h, not a quarter of an hour sooner or later."""
    assert first_found(drift, after=110) == (knots, knots)


@pytest.mark.parametrize(("knots", "drift"), [(5, 50_000), (13, 22_500), (23, 15_300), (95, 8_250)])
def test_a_drift_from_the_start_is_found_as_soon_as_the_whole_history_shows_it(knots, drift):
    assert first_found(drift, after=0) == (knots, knots)


def test_a_slower_drift_than_a_day_shows_is_never_found():
    assert first_found(8_000, after=110) is None


def test_what_is_asked_between_two_knots_is_judged_and_not_kept():
    rates = Rates(1, 0, 0)
    for number in range(6):
        rates.add(Knot(number * QUARTER, {"receiver": (0, 1), "ntp": (0, 1), "cesium": (0, 1)}))
    at = 5 * QUARTER + NS_PER_S
    found = rates.add(Knot(at, {"receiver": (10**6, 1), "ntp": (0, 1), "cesium": (0, 1)}))
    assert found == Verdict("receiver", 10**6, 5 * QUARTER + NS_PER_S, ("raw", "cesium", "ntp"))
    last = rates.before(at + 1)
    assert last is not None
    assert last.raw_ns == 5 * QUARTER
    assert not rates.due(6 * QUARTER - 1)
    assert rates.due(6 * QUARTER)
    found_before = rates.before(5 * QUARTER)
    assert found_before is not None
    assert found_before.raw_ns == 4 * QUARTER


def test_a_day_is_remembered_and_no_more():
    rates = Rates(1, 0, 0)
    for number in range(500):
        rates.add(Knot(number * QUARTER, {}))
    assert rates.before(400 * QUARTER) is None
    assert rates.before((500 - 96) * QUARTER) is not None


def test_the_ledger_counts_each_excursion_once():
    probes = Probes()
    for used in (0, 400, 600, 499, 501, 300, 200, 0, 1200, 1300, 900, 0):
        probes.take(used, 1000, used, 77)
    assert probes.fields() == {
        "count": 2, "refused": 1, "worst_ns": 1300, "variation_ns": 200 + 101 + 2 + 201 + 1200 + 100 + 400,
        "last_utc_s": 77,
    }  # fmt: skip
    again = Probes()
    again.restore(probes.fields())
    assert again.fields() == probes.fields()


@pytest.mark.parametrize("value", [-1, True, "x", None, 1.5])
def test_a_ledger_of_anything_is_none(value):
    probes = Probes()
    probes.restore(dict.fromkeys(("count", "refused", "worst_ns", "variation_ns"), value))
    assert probes.fields()["count"] == 0


def withheld(reason: str, raw_ns: int = 0, value: int = 1) -> Withhold:
    """A refusal."""
    return Withhold(raw_ns, reason, value, 0)


def test_refusals_are_grouped_and_the_worst_is_kept():
    refusals = Refusals()
    for at, value in enumerate((3, -9, 5)):
        refusals.note(withheld("drift-mask", at, value), at + 100, list)
    refusals.accuse(Accuse(0, "receiver", {"moved_ns": 5}))
    (group,) = refusals.fields()
    assert (group["count"], group["worst_value"], group["last_raw_ns"]) == (3, -9, 2)
    assert group["accused"] == "receiver moved +5 ns"
    refusals.accepted()
    refusals.note(withheld("drift-mask", 4), 104, list)
    refusals.note(withheld("drift-mask", 4 + 601 * NS_PER_S), 104, list)
    assert [one["count"] for one in refusals.fields()] == [3, 1, 1]


def test_notes_make_room_first():
    refusals = Refusals()
    for number in range(MOST + 5):
        refusals.note(withheld("ntp-lost" if number % 2 else "date-jump", number), 0, list)
        refusals.accepted()
    assert len(refusals.fields()) <= MOST
    refusals.accuse(Accuse(0, "rtc", {}))
    for number in range(MOST):
        refusals.note(withheld("date-jump", number), 0, list)
        refusals.accepted()
    assert {one["reason"] for one in refusals.fields()} == {"date-jump"}
    assert Refusals().accuse(Accuse(0, "rtc", {})) is None  # type: ignore[func-returns-value]
