"""The stamp, and the port's own life cycle."""

import time
import types
from typing import Any

import pytest

from refclock.errors import PortError
from refclock.policy import parse_policy
from refclock.ports import DevicePort, ports_of, stamp


def fake_clock(monkeypatch, readings):
    """clock_gettime_ns answers these, in turn."""
    answers = iter(readings)
    clock = types.SimpleNamespace(
        CLOCK_MONOTONIC_RAW=time.CLOCK_MONOTONIC_RAW, CLOCK_REALTIME=time.CLOCK_REALTIME,
        clock_gettime_ns=lambda _clock: next(answers),
    )  # fmt: skip
    monkeypatch.setattr(stamp, "time", clock)
    return answers


def test_the_midpoint_and_half_width_cover_the_bracket(monkeypatch):
    left = fake_clock(monkeypatch, [1000, 777, 1301, "unread"])
    raw, real, unc = stamp.now()
    assert (raw, real, unc) == (1150, 777, 151)
    assert raw - unc <= 1000
    assert raw + unc >= 1301
    assert next(left) == "unread"


def test_the_narrowest_of_three_wide_ones_counts(monkeypatch):
    fake_clock(monkeypatch, [0, 1, 40_000, 100_000, 2, 130_000, 200_000, 3, 260_000])
    assert stamp.now() == (115_000, 2, 15_000)


def test_trying_stops_at_the_first_narrow_one(monkeypatch):
    left = fake_clock(monkeypatch, [0, 1, 40_000, 100_000, 2, 110_000, "unread"])
    assert stamp.now() == (105_000, 2, 5_000)
    assert next(left) == "unread"


def test_the_real_clocks():
    raw, real, unc = stamp.now()
    assert 0 <= unc < 10_000_000
    assert abs(time.clock_gettime_ns(time.CLOCK_REALTIME) - real) < 1_000_000_000
    assert 0 <= stamp.raw() - raw < 1_000_000_000


def test_a_port_that_was_never_opened_wants_nothing():
    port = DevicePort("x0")
    assert port.wake_at() is None
    assert port.on_timer(1 << 62) == []
    assert port.on_ready() == []
    with pytest.raises(PortError, match="x0"):
        port.perform(b"x")
    with pytest.raises(NotImplementedError):
        port.open()
    port.close()


class Flaky(DevicePort):
    """Fails to open for the reasons given, in turn, then opens."""

    def __init__(self, *reasons):
        super().__init__("x0")
        self.reasons = list(reasons)
        self.shut = 0

    def _open(self):
        if self.reasons:
            raise PortError(self.reasons.pop(0))
        return "opened"

    def _shut(self):
        self.shut += 1


def test_a_failure_is_told_again_only_when_its_reason_changes():
    port: Any = Flaky("missing", "missing", "held", "held")
    told = [[(event.up, event.reason) for event in port.try_open()]]
    for _ in range(4):
        told.append([(event.up, event.reason) for event in port.on_timer(port.wake_at())])
    assert told == [[(False, "missing")], [], [(False, "held")], [], [(True, "opened")]]
    assert port.shut == 4, "what a failed opening acquired is released"
    assert port.wake_at() is None


def test_opening_raises_and_still_retries_later():
    port: Any = Flaky("missing")
    before = stamp.raw()
    with pytest.raises(PortError, match="missing"):
        port.open()
    assert before + 1_000_000_000 <= port.wake_at() <= stamp.raw() + 1_000_000_000
    assert port.on_timer(before) == []
    assert [event.up for event in port.on_timer(port.wake_at())] == [True]


def test_ports_of_a_policy():
    policy = parse_policy(
        '[receiver]\ndevice = "/dev/ttyUSB0"\n[pps]\n[rtc]\n'
        '[ntp]\nservers = ["192.0.2.1", "[2001:db8::1]:124"]\n'
    )
    assert [port.name for port in ports_of(policy)] == ["sys0", "gps0", "pps0", "rtc0", "ntp0", "ntp1"]
    assert [port.name for port in ports_of(parse_policy(""))] == ["sys0"]
