"""The battery clock's port against a simulated RTC and a simulated counter."""

import errno
import os
from itertools import pairwise

import pytest

from refclock.errors import PortError
from refclock.model import PortChange, RtcTick
from refclock.policy import RtcSettings
from refclock.ports import stamp
from refclock.ports.rtc import RtcPort
from refclock.units import NS_PER_MS, NS_PER_S, NS_PER_US

EPOCH_NS = 1_800_000_000 * NS_PER_S
READ_NS = 120 * NS_PER_US


class FakeRtc:
    """An RTC that begins second ``n`` at raw = phase + n * (1 s + rate), read through a slow driver."""

    def __init__(self):
        self.raw = 3 * NS_PER_S + 1
        self.phase = 123_456_789
        self.rate_ppm = 0
        self.set_by = 0
        self.stands_at = None
        self.answer = None
        self.reads = 0
        self.lag = {}  # raw second -> ns by which the process oversleeps there, once

    def tick_ns(self, number):
        return self.phase + number * (NS_PER_S + self.rate_ppm * 1000)

    def text(self):
        if self.answer is not None:
            if isinstance(self.answer, int):
                raise OSError(self.answer, os.strerror(self.answer))
            return self.answer
        number = (self.raw - self.phase) // (NS_PER_S + self.rate_ppm * 1000)
        return str(self.stands_at or number + self.set_by).encode() + b"\n"

    def now(self):
        self.raw += 200
        return self.raw, EPOCH_NS + self.raw, 150

    # What RtcPort asks of os.
    def open(self, path, flags):
        return 99

    def read(self, handle, size):
        self.reads += 1
        self.raw += READ_NS // 2
        text = self.text()
        self.raw += READ_NS // 2
        return text

    def run(self, port, seconds, at=None):
        events = []
        end = self.raw + seconds * NS_PER_S
        while (due := port.wake_at()) is not None and due <= end:
            self.raw = max(self.raw, due) + 60 * NS_PER_US + self.lag.pop(due // NS_PER_S, 0)
            if at:
                at(self.raw)
            events += port.on_timer(self.raw)
        self.raw = max(self.raw, end)
        return events


@pytest.fixture
def clock(monkeypatch):
    fake = FakeRtc()
    monkeypatch.setattr(stamp, "now", fake.now)
    monkeypatch.setattr(stamp, "raw", lambda: fake.now()[0])
    monkeypatch.setattr("refclock.ports.rtc.os.open", fake.open)
    monkeypatch.setattr("refclock.ports.rtc.os.read", fake.read)
    monkeypatch.setattr("refclock.ports.rtc.os.close", lambda _handle: None)
    return fake


@pytest.fixture
def port(clock):
    made = RtcPort(RtcSettings("/sys/class/rtc/rtc0"), "rtc0")
    made.open()
    yield made
    made.close()


@pytest.mark.parametrize("rate_ppm", [0, 180, -180])
@pytest.mark.parametrize("phase", [0, 123_456_789, 999_999_999])
def test_every_tick_lies_within_its_stated_uncertainty(clock, port, rate_ppm, phase):
    clock.rate_ppm, clock.phase = rate_ppm, phase
    events = clock.run(port, 120)
    assert len(events) >= 9
    for event in events:
        assert isinstance(event, RtcTick)
        assert event.port == "rtc0"
        assert abs(event.raw_ns - clock.tick_ns(event.rtc_s)) <= event.unc_ns < 2 * NS_PER_MS
        assert event.real_ns - event.raw_ns == EPOCH_NS


def test_ticks_are_dense_at_first_and_16_s_apart_later(clock, port):
    events = clock.run(port, 100)
    seconds = [event.rtc_s for event in events]
    gaps = [after - before for before, after in pairwise(seconds)]
    assert gaps[:6] == [1, 1, 2, 4, 8, 16]
    assert set(gaps[6:]) == {16}
    assert events[0].raw_ns < 6 * NS_PER_S, "a date within three seconds of the start"


def test_reading_is_rare_once_the_tick_is_known(clock, port):
    clock.run(port, 100)
    clock.reads = 0
    clock.run(port, 160)
    assert clock.reads < 10 * (20 + 16)


def test_a_stall_across_the_tick_gives_no_tick_and_a_new_search(clock, port):
    events = clock.run(port, 40)
    due = port.wake_at()
    clock.lag[due // NS_PER_S] = 300 * NS_PER_MS
    later = clock.run(port, 60)
    assert later
    for event in [*events, *later]:
        assert abs(event.raw_ns - clock.tick_ns(event.rtc_s)) <= event.unc_ns < 2 * NS_PER_MS


def test_an_rtc_that_someone_sets_is_searched_anew(clock, port):
    clock.run(port, 20)
    clock.set_by = 3600
    events = clock.run(port, 40)
    assert events
    for event in events:
        assert abs(event.raw_ns - clock.tick_ns(event.rtc_s - 3600)) <= event.unc_ns < 2 * NS_PER_MS


@pytest.mark.parametrize("seconds", [1, -1, 600, -60])
def test_one_that_was_set_is_told_of_within_four_seconds_not_only_when_a_tick_is_due(clock, port, seconds):
    """A paused machine's counter stands still: until this tells of it, programs are told the old time."""
    before = clock.run(port, 70)[-1]
    clock.run(port, 3)
    clock.set_by = seconds
    begin = clock.raw
    (event,) = clock.run(port, 4)
    assert event.raw_ns < begin + 4 * NS_PER_S < before.raw_ns + 16 * NS_PER_S
    assert abs(event.raw_ns - clock.tick_ns(event.rtc_s - seconds)) <= event.unc_ns < 2 * NS_PER_MS


@pytest.mark.parametrize("lag_ms", [0, 100, 240, 260, 450, 499, 501, 700, 1400])
def test_a_glance_that_comes_late_accuses_nobody(clock, port, lag_ms):
    """A search would end with a tick; the next one is due in 16 s."""
    clock.run(port, 70)
    clock.run(port, 3)
    clock.lag[port.wake_at() // NS_PER_S] = lag_ms * NS_PER_MS
    assert clock.run(port, 6) == []


def test_an_rtc_shifted_within_the_second_is_searched_anew(clock, port):
    clock.run(port, 20)
    clock.phase += 400 * NS_PER_MS
    events = clock.run(port, 40)
    assert events
    for event in events:
        assert abs(event.raw_ns - clock.tick_ns(event.rtc_s)) <= event.unc_ns < 2 * NS_PER_MS


def test_an_rtc_that_stands_still_is_asked_seldom(clock, port):
    clock.run(port, 20)
    clock.stands_at = 7
    clock.run(port, 25)
    clock.reads = 0
    assert clock.run(port, 20) == []
    assert clock.reads <= 40
    clock.stands_at = None
    events = clock.run(port, 10)
    assert events
    assert events[-1].unc_ns < 2 * NS_PER_MS


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(errno.EINVAL, "valid date"), (errno.ENOENT, "no such RTC"), (errno.EACCES, "cannot be read"),
     (b"", "expected seconds"), (b"soon", "expected seconds"), (b"-5", "expected"), (b"9" * 20, "expected")],
)  # fmt: skip
def test_an_rtc_that_fails_goes_down_and_comes_back(clock, port, answer, reason):
    clock.run(port, 5)
    clock.answer = answer
    (down,) = clock.run(port, 10)
    assert isinstance(down, PortChange)
    assert not down.up
    assert reason in down.reason
    clock.answer = None
    up, *ticks = clock.run(port, 20)
    assert up.up
    assert ticks


def test_a_missing_rtc_is_named(tmp_path):
    port = RtcPort(RtcSettings(str(tmp_path / "rtc7")), "rtc0")
    with pytest.raises(PortError, match=r"rtc7/since_epoch: no such RTC; set rtc\.device"):
        port.open()
    port.close()
    assert port.wake_at() is None
