"""Who drifts, by rates over hours; and the ledger and groups that people read."""

import pytest

from refclock.core.blame.rates import Knot, Rates, offset
from refclock.core.gate.ledger import Probes
from refclock.core.seconds.interval import Interval
from refclock.core.telling.refusals import MOST, Refusals
from refclock.model import Accuse, Withhold
from refclock.units import NS_PER_MS, NS_PER_S, NS_PER_US

QUARTER = 900 * NS_PER_S
PPM = 10**6


def course(hours: int, **rates_ppt: int) -> list[tuple[str, int]]:
    """Sources that drift at these rates from the start; what is said, knot by knot."""
    rates = Rates(PPM // 2, PPM)
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
    rates = Rates(1, 1)
    assert rates.due(0)
    assert rates.before(0) is None
    rates.add(Knot(0, {}))
    assert not rates.due(QUARTER - 1)
    assert rates.due(QUARTER)
    found = rates.before(1)
    assert found is not None
    assert found.raw_ns == 0


def test_one_source_alone_cannot_be_judged():
    rates = Rates(PPM, PPM)
    for number in range(40):
        assert rates.add(Knot(number * QUARTER, {"receiver": (0, 1)})) is None
    assert offset(None, 5) is None
    assert offset(Interval(10, 20, 0), 5) == (10, 5)


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
