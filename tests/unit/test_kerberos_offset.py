"""KdcOffset. Each test names the draft's clause as docs/requirements.md numbers it."""

from dataclasses import replace

import pytest

from refclock.errors import NotVettedError
from refclock.kerberos import Kdc, KdcOffset, NonceWindow, OffsetRefusedError
from refclock.kerberos.asking import Reading
from refclock.units import NS_PER_MS, NS_PER_S
from tests.unit.test_kerberos_uptime import Uptime

UTC = 1_803_859_200 * NS_PER_S
KDCS = [Kdc((name, 88)) for name in ("a", "b", "c")]
PEERS = ["a:88", "b:88", "c:88"]


@pytest.fixture
def uptime():
    return Uptime()


@pytest.fixture
def offset(uptime):
    return KdcOffset("EXAMPLE.TEST", KDCS, uptime)


def said(uptime, ahead_s=0, peer="a:88", half_ns=10 * NS_PER_MS, suspended_ns=0):
    """A KDC whose clock shows UTC, counted from the first boot's 1000th second on, and so much more."""
    counter_ns = uptime.at_ns - suspended_ns
    middle_ns = UTC + uptime.at_ns - 1000 * NS_PER_S + round(ahead_s * NS_PER_S) - counter_ns
    return Reading(peer, "udp", middle_ns - half_ns, middle_ns + half_ns, counter_ns, 0, 6, matched=True)


def all_say(uptime, ahead_s=0, **how):
    return [said(uptime, ahead_s, peer, **how) for peer in PEERS]


def ask(offset, uptime, ahead_s=0):
    offset.take(all_say(uptime, ahead_s), 0)


def test_clause_1_the_offset_is_kept_against_the_uptime_clock(offset, uptime):
    ask(offset, uptime)
    uptime.pass_s(100)
    told = offset.now()
    assert told.earliest_ns <= UTC + 100 * NS_PER_S <= told.latest_ns
    assert told.bound_ns < 100 * NS_PER_MS
    assert (told.state, told.chain) == ("kdc-offset", ("kdc:a:88", "kdc:b:88", "kdc:c:88"))


def test_clause_1_a_step_of_the_system_clock_changes_nothing(offset, uptime, monkeypatch):
    ask(offset, uptime)
    before = offset.now()

    def stepped(*_args):
        raise AssertionError("the system clock was asked")

    monkeypatch.setattr("time.time", stepped)
    monkeypatch.setattr("time.time_ns", stepped)
    assert offset.now() == before


def test_clause_3_a_reboot_discards_it(offset, uptime):
    ask(offset, uptime)
    uptime.reboot()
    with pytest.raises(NotVettedError, match="no KDC was asked in this boot"):
        offset.now()
    assert offset.wait_ns() == 0
    ask(offset, uptime, ahead_s=5000)
    assert offset.now().bound_ns < 100 * NS_PER_MS, "nothing of before counts against it"


def test_clause_1_a_suspension_is_counted(offset, uptime):
    offset.take(all_say(uptime, suspended_ns=400 * NS_PER_S), 400 * NS_PER_S)
    told = offset.now()
    assert told.earliest_ns <= UTC <= told.latest_ns


def test_clauses_22_and_31_a_new_answer_beyond_the_rate_is_refused(offset, uptime):
    """10 % of the time since the last answer, for an application server."""
    ask(offset, uptime)
    uptime.pass_s(60)
    with pytest.raises(OffsetRefusedError, match=r"moved \d+ ms farther than its rate allows"):
        ask(offset, uptime, ahead_s=6.1)
    with pytest.raises(OffsetRefusedError):
        ask(offset, uptime, ahead_s=-6.1)
    told = offset.now()
    assert told.earliest_ns <= UTC + 60 * NS_PER_S <= told.latest_ns, "the old offset stays"
    ask(offset, uptime, ahead_s=5.9)
    assert offset.now().utc_ns == pytest.approx(UTC + 65.9 * NS_PER_S, abs=NS_PER_S)


def test_clauses_30_and_31_the_limit_can_be_tightened_and_not_loosened(uptime):
    tight = KdcOffset("EXAMPLE.TEST", KDCS, uptime, max_rate_ppt=10**10)
    ask(tight, uptime)
    uptime.pass_s(60)
    with pytest.raises(OffsetRefusedError):
        ask(tight, uptime, ahead_s=0.7)
    ask(tight, uptime, ahead_s=0.5)
    for rate in (10**11 + 1, -1):
        with pytest.raises(ValueError, match="expected a rate"):
            KdcOffset("EXAMPLE.TEST", KDCS, max_rate_ppt=rate)


def test_clauses_26_and_29_the_time_never_goes_back(offset, uptime):
    ask(offset, uptime)
    latest = 0
    for second in range(60):
        uptime.pass_s(1)
        if second % 3 == 2:
            ask(offset, uptime, ahead_s=-0.09 * second)
        told = offset.now()
        assert told.utc_ns >= latest
        assert told.utc_ns <= told.latest_ns
        latest = told.utc_ns


def test_clause_21_it_is_asked_as_often_as_nonces_are_made(offset, uptime):
    assert offset.wait_ns() == 0
    ask(offset, uptime)
    assert offset.wait_ns() == NonceWindow(uptime).rotate_ns
    uptime.pass_s(59)
    assert offset.wait_ns() == NS_PER_S
    uptime.pass_s(2)
    assert offset.wait_ns() == 0


def test_it_grows_too_old(offset, uptime):
    ask(offset, uptime)
    uptime.pass_s(600)
    offset.now()
    uptime.pass_s(1)
    with pytest.raises(NotVettedError, match="last heard 601 s ago"):
        offset.now()


def test_clause_23_most_of_the_kdcs_must_agree(offset, uptime):
    offset.take([said(uptime), said(uptime, 0.5, "b:88"), said(uptime, 30, "c:88")], 0)
    assert offset.now().chain == ("kdc:a:88", "kdc:b:88")
    for few in (
        [],
        [said(uptime)],
        [said(uptime), said(uptime, 30, "b:88"), said(uptime, 60, "c:88")],
        [
            said(uptime),
            Reading("b:88", "udp", trouble="no answer"),
            Reading("c:88", "udp", trouble="no answer"),
        ],
        [replace(one, matched=False) for one in all_say(uptime)],
    ):
        with pytest.raises(NotVettedError, match=r"\d of 3 KDCs answer and agree: no majority"):
            offset.take(few, 0)


def test_the_narrowest_reading_of_those_that_agree_counts(offset, uptime):
    wide = [said(uptime, 0, peer, 400 * NS_PER_MS) for peer in PEERS[1:]]
    offset.take([*wide, said(uptime, half_ns=NS_PER_MS)], 0)
    assert offset.now().bound_ns < 2 * NS_PER_MS
