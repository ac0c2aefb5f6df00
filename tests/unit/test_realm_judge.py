"""Who strays: what follows from what a realm's KDCs and this host show."""

from dataclasses import replace

import pytest

from refclock.kerberos.asking import Kdc, Reading, _narrowed
from refclock.kerberos.realm import US, judge, written_kdc
from refclock.units import NS_PER_MS, NS_PER_S

TOLERANCE = NS_PER_S


def clock(peer, ahead_ms, over="udp", half_ms=1):
    middle, half = ahead_ms * NS_PER_MS, half_ms * NS_PER_MS
    return Reading(peer, over, middle - half, middle + half, 0, NS_PER_MS, 6, matched=True)


@pytest.mark.parametrize(
    ("ahead", "astray"),
    [
        ([0, 0], {}),
        ([900], {}),
        ([-400, 500], {}),
        ([0, 30_000], {"kdc1/udp"}),
        ([30_000, 30_000], {US}),
        ([-2_000, 100, 0], {"kdc0/udp"}),
        ([0, 0, 30_000, -30_000], {"kdc2/udp", "kdc3/udp"}),
        ([], {}),
    ],
)
def test_who_strays(ahead, astray):
    verdict = judge([clock(f"kdc{at}", one) for at, one in enumerate(ahead)], TOLERANCE)
    assert not verdict.lost
    assert set(verdict.astray) == set(astray)
    assert verdict.voices == len(ahead) + 1
    assert verdict.agreeing == verdict.voices - len(astray)


@pytest.mark.parametrize("ahead", [[30_000], [0, 30_000, 30_000], [0, 5_000, 10_000]])
def test_nobody_can_tell(ahead):
    verdict = judge([clock(f"kdc{at}", one) for at, one in enumerate(ahead)], TOLERANCE)
    assert verdict.lost
    assert verdict.astray == {}


def test_by_how_much():
    verdict = judge([clock("a", 0), clock("b", 0), clock("c", -30_000)], TOLERANCE)
    assert verdict.astray == {"c/udp": pytest.approx(-30 * NS_PER_S, abs=NS_PER_S)}
    verdict = judge([clock("a", 30_000), clock("b", 30_000)], TOLERANCE)
    assert verdict.astray == {US: pytest.approx(-30 * NS_PER_S, abs=NS_PER_S)}


def test_a_kdc_has_one_voice_however_it_is_asked():
    both = [clock("a", 30_000), clock("a", 30_000, "tcp", half_ms=400)]
    assert judge(both, TOLERANCE).lost
    assert judge(both, TOLERANCE).voices == 2


def test_one_that_shows_two_times():
    readings = [clock("a", 0), clock("a", 30_000, "tcp", half_ms=400), clock("b", 0)]
    assert set(judge(readings, TOLERANCE).astray) == {"a/tcp"}


def test_the_silent_have_no_voice():
    verdict = judge([clock("a", 0), Reading("b", "udp", trouble="no answer")], TOLERANCE)
    assert (verdict.voices, verdict.agreeing, verdict.astray) == (2, 2, {})


@pytest.mark.parametrize(
    ("written", "kdc"),
    [
        ("a", Kdc(("a", 88))),
        ("a:89", Kdc(("a", 89))),
        ("[::1]:89", Kdc(("::1", 89))),
        ("tcp/a:89", Kdc(("a", 89), ("tcp",))),
        ("udp/a", Kdc(("a", 88), ("udp",))),
        ("https://proxy/KdcProxy", None),
        ("a:x", None),
        ("", None),
    ],
)
def test_how_a_kdc_is_written(written, kdc):
    assert written_kdc(written) == kdc


def test_two_readings_narrow_each_other():
    first, second = clock("a", 0, half_ms=500), clock("a", 400, half_ms=200)
    both = _narrowed(first, second)
    assert (both.low_ns, both.high_ns) == (200 * NS_PER_MS, 500 * NS_PER_MS + 1)
    later = _narrowed(first, replace(second, as_of_ns=NS_PER_S))
    assert later.high_ns == 501 * NS_PER_MS + 1, "the older one has aged by 1000 ppm"


def test_a_clock_that_was_stepped_between_two_readings():
    first, second = clock("a", 0), clock("a", 30_000)
    assert _narrowed(first, second) == second


def test_what_was_heard_outlives_a_silence():
    silent = Reading("a", "udp", trouble="no answer")
    assert _narrowed(None, silent) == silent
    assert _narrowed(clock("a", 0), silent) == clock("a", 0)
    assert _narrowed(silent, clock("a", 0)) == clock("a", 0)
