"""Receivers that speak fixed ASCII time codes: which second, on which pulse, in which year."""

from dataclasses import dataclass

import pytest

from refclock.core.rules.reasons import REASONS
from refclock.model import Decision, Mode, PpsEdge, SerialBytes
from refclock.units import NS_PER_MS
from refclock.wire.calendar import civil_from_days, days_from_civil
from tests.unit.test_core_host import BEGIN_S, KDC, Host, modes, reasons

RECEIVER = '[receiver]\nprotocol = "{}"\n'
VOUCHED = '[receiver]\nprotocol = "{}"\ntimescale = "utc"\n'
BARE = VOUCHED.format("truetime") + KDC
XL_DC = BARE + '[dates]\nnot_before = "2027-01-01"\n'
YEAR_S = 365 * 86_400


def xl_dc(label_s: int, quality: str = " ") -> bytes:
    """What an XL-DC calls a POSIX second."""
    days, tod_s = divmod(label_s, 86_400)
    day = days - days_from_civil(civil_from_days(days)[0], 1, 1) + 1
    return f"\x01{day:03}:{tod_s // 3600:02}:{tod_s // 60 % 60:02}:{tod_s % 60:02}{quality}\r\n".encode()


def meinberg(label_s: int, flags: str = "  U ") -> bytes:
    days, tod_s = divmod(label_s, 86_400)
    year, month, day = civil_from_days(days)
    date = f"D:{day:02}.{month:02}.{year % 100:02};T:{(days + 3) % 7 + 1};"
    clock = f"U:{tod_s // 3600:02}.{tod_s // 60 % 60:02}.{tod_s % 60:02};"
    return f"\x02{date}{clock}{flags}\x03".encode()


@dataclass
class Coded(Host):
    """A host whose receiver's frames begin ``ahead_ms`` before their pulse and come in chunks that end at
    ``ends``, each ``late_ms`` after its last byte at 9600 baud."""

    code: str = "xl-dc"
    flags: str = ""
    ahead_ms: int = 0
    ends: tuple[int, ...] = ()
    late_ms: int = 1
    fetched_us: int = 0
    no_pulse: bool = False

    def edge(self, edge_ns: int) -> list[Decision]:
        """A pulse, which is fetched after the chunks that come meanwhile."""
        return [] if self.fetched_us or self.no_pulse else super().edge(edge_ns)

    def say(self, edge_ns: int, label_s: int) -> None:
        data = (
            xl_dc(label_s, self.flags or " ")
            if self.code == "xl-dc"
            else meinberg(label_s, self.flags or "  U ")
        )
        start, fetched_ns = 0, self.fetched_us * 1000
        for end in (*self.ends, len(data)):
            at_ns = (end - self.ahead_ms + self.late_ms) * NS_PER_MS
            if 0 < fetched_ns < at_ns:
                self._fetch(edge_ns, fetched_ns)
                fetched_ns = 0
            self.step(SerialBytes(*self.stamp(edge_ns + at_ns), "gps0", data[start:end]))
            start = end
        if fetched_ns:
            self._fetch(edge_ns, fetched_ns)

    def _fetch(self, edge_ns: int, after_ns: int) -> None:
        self.number += 1
        at_ns = self.stamp(edge_ns)[1]
        self.step(PpsEdge(*self.stamp(edge_ns + after_ns), "pps0", "assert", self.number, at_ns))


def test_meinberg_feeds_and_is_right():
    host = Coded(RECEIVER.format("meinberg") + KDC, code="meinberg")
    host.feed()
    host.second(100)
    assert host.worst_ns() == 0
    assert len(host.published()) > 100


@pytest.mark.parametrize("ends", [(), (8,), (14,), (15,), (8, 14), (1, 2, 3)])
def test_the_trailing_mark_names_the_pulse_it_comes_with(ends):
    # SOH comes 14 ms before the pulse: by its arrival the label would be the pulse's before.
    host = Coded(XL_DC, ahead_ms=14, ends=ends)
    host.second(1900)
    assert host.mode is Mode.VETTED
    assert host.worst_ns() == 0
    assert reasons(host.decisions) == {"dwell"}


@pytest.mark.parametrize(("late_ms", "fetched_us"), [(1, 3_000), (0, 300), (-3, 2_000), (-3, 9_000)])
def test_the_pulse_may_be_fetched_after_the_label_that_comes_with_it(late_ms, fetched_us):
    host = Coded(XL_DC, ahead_ms=14, ends=(15,), late_ms=late_ms, fetched_us=fetched_us)
    host.second(1900)
    assert host.mode is Mode.VETTED
    assert host.worst_ns() == 0
    assert reasons(host.decisions) == {"dwell"}


def test_a_label_that_waits_in_vain_is_refused():
    host = Coded(XL_DC, ahead_ms=14, ends=(15,))
    host.feed()
    host.no_pulse = True
    told = host.second(3)
    assert reasons(told) == {"no-edge"}
    host.no_pulse = False
    assert "no-edge" in reasons(host.second(3))
    assert host.worst_ns() == 0
    assert host.mode is Mode.VETTED


def test_a_label_that_waits_for_a_pulse_far_away_is_refused():
    host = Coded(XL_DC, ahead_ms=14, ends=(15,), late_ms=-30, fetched_us=100)
    told = host.second(5)
    assert reasons(told) == {"no-edge", "no-label"}


def test_a_step_of_the_clock_lets_a_waiting_label_go():
    host = Coded(XL_DC, ahead_ms=14, ends=(15,))
    host.feed()
    host.no_pulse = True
    host.second(1)
    host.no_pulse, host.real_ns = False, 10**9
    told = host.second(3)
    assert "clock-step" in reasons(told)
    assert host.worst_ns() == 0


def test_a_time_scale_that_nobody_vouches_for_is_not_fed():
    host = Coded(RECEIVER.format("truetime") + KDC)
    host.second(200)
    assert host.mode is Mode.COLD
    assert reasons(host.decisions) <= {"unstated-time", "no-label"}
    assert "unstated-time" in reasons(host.decisions)


def test_the_operator_s_word_does_not_make_utc_of_local_time():
    host = Coded(VOUCHED.format("meinberg") + KDC, code="meinberg", flags="    ")
    host.second(200)
    assert "local-time" in reasons(host.decisions)
    assert host.mode is Mode.COLD


def test_new_year_is_passed_without_a_year():
    # 2027-12-31T23:30:00Z
    until = 306 * 86_400 - 1800
    host = Coded(XL_DC, now_s=until)
    host.restore({"floor_utc_ns": (BEGIN_S + until - 3600) * 10**9})
    host.second(3600)
    assert modes(host.decisions) == [Mode.ACQUIRING, Mode.VETTED]
    assert host.worst_ns() == 0
    assert host.published()[-1].utc_ns // 10**9 > BEGIN_S + 306 * 86_400


def test_a_host_that_was_off_for_less_than_a_year_finds_the_year():
    for off_s in (30 * 86_400, 200 * 86_400, 363 * 86_400):
        host = Coded(BARE, enrolled=False)
        host.restore({"floor_utc_ns": (BEGIN_S - off_s) * 10**9})
        host.second(1900)
        assert host.mode is Mode.VETTED, off_s
        assert host.worst_ns() == 0


def test_a_host_that_was_off_for_more_than_a_year_feeds_nothing():
    host = Coded(BARE, enrolled=False)
    host.restore({"floor_utc_ns": (BEGIN_S - 400 * 86_400) * 10**9})
    host.second(1900)
    assert host.published() == []
    assert "quorum" in reasons(host.decisions)
    # The operator's word ends that.
    told = Coded(XL_DC, enrolled=False)
    told.second(1900)
    assert told.mode is Mode.VETTED
    assert told.worst_ns() == 0


@pytest.mark.parametrize("years", [-1, 1])
def test_witnesses_that_lie_by_a_year_cannot_choose_it(years):
    lie_ns = years * YEAR_S * 10**9
    host = Coded(XL_DC, ntp_ns=lie_ns, rtc_ns=lie_ns)
    host.restore({"floor_utc_ns": (BEGIN_S - 3600) * 10**9})
    host.second(1900)
    assert host.published() == []


def test_a_day_that_no_near_year_has_is_refused():
    host = Coded(BARE + '[dates]\nnot_before = "2029-02-01"\n')
    told = host.step(SerialBytes(*host.stamp(0), "gps0", b"\x01366:00:00:00 \r\n"))
    assert reasons(told) == {"year-unknown"}
    assert REASONS["year-unknown"].kind == "absent"


def test_holdover_is_fed_for_a_while_and_then_no_more():
    limits = "[limits]\nreceiver_holdover_s = 300\n"
    host = Coded(RECEIVER.format("meinberg") + KDC + limits, code="meinberg")
    host.feed()
    host.flags = " *U "
    assert modes(host.second(290)) == []
    told = host.second(30)
    assert modes(told) == [Mode.HOLDOVER]
    assert "receiver-holdover" in reasons(told)
    host.flags = "  U "
    assert modes(host.second(30)) == [Mode.VETTED]
    assert host.worst_ns() == 0


def test_an_unsynchronised_receiver_is_not_fed():
    host = Coded(XL_DC)
    host.feed()
    host.flags = "?"
    before = len(host.published())
    host.second(20)
    assert len(host.published()) == before
    assert host.mode is Mode.HOLDOVER
    assert "receiver-invalid" in reasons(host.decisions)


def test_one_damaged_digit_is_one_refused_second():
    host = Coded(XL_DC)
    host.feed()
    good, host.label_s = len(host.published()), 7
    host.second(1)
    host.label_s = 0
    host.second(30)
    assert host.worst_ns() == 0
    assert host.mode is Mode.VETTED
    assert len(host.published()) >= good + 30 - 1
