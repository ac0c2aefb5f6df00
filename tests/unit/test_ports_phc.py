"""The port of a network card's clock, against a simulated one."""

import errno
import os

import pytest

from refclock.errors import PortError
from refclock.model import PhcReading, PortChange
from refclock.policy import PhcSettings, parse_policy
from refclock.ports import ports_of, stamp
from refclock.ports.phc import PhcPort
from refclock.runtime.header import port_table
from refclock.units import NS_PER_S

EPOCH_NS = 1_800_000_000 * NS_PER_S
HANDLE = 41


class FakeCard:
    """Each look at the counter takes 200 ns, at the card between 1 and 40 us; the card is read midway."""

    def __init__(self):
        self.raw = 3 * NS_PER_S
        self.reads = 0
        self.error = None
        self.closed = []
        self.flags = None

    def now(self):
        self.raw += 200
        return self.raw, EPOCH_NS + self.raw, 150

    def open(self, path, flags):
        self.flags = flags
        return HANDLE

    def close(self, handle):
        self.closed.append(handle)

    def gettime(self, clock):
        assert clock == (~HANDLE << 3) | 3
        if self.error is not None:
            raise OSError(self.error, os.strerror(self.error))
        self.reads += 1
        took = 1_000 if self.reads % 5 == 3 else 40_000
        self.raw += took // 2
        phc = self.raw + 37 * NS_PER_S
        self.raw += took // 2
        return phc


@pytest.fixture
def card(monkeypatch):
    fake = FakeCard()
    monkeypatch.setattr(stamp, "now", fake.now)
    monkeypatch.setattr(stamp, "raw", lambda: fake.now()[0])
    monkeypatch.setattr("refclock.ports.phc.os.open", fake.open)
    monkeypatch.setattr("refclock.ports.phc.os.close", fake.close)
    monkeypatch.setattr("refclock.ports.phc.time.clock_gettime_ns", fake.gettime)
    return fake


def test_a_reading_each_16_s_the_narrowest_of_a_few(card):
    port = PhcPort(PhcSettings(), "phc0")
    (up,) = port.open()
    assert isinstance(up, PortChange)
    assert up.up
    assert card.flags & (os.O_ACCMODE) == os.O_RDONLY
    assert port.fd is None
    begun = card.raw
    events = []
    while card.raw < begun + 60 * NS_PER_S:
        card.raw = max(card.raw, port.wake_at())
        events += port.on_timer(card.raw)
    assert len(events) == 5
    for event in events:
        assert isinstance(event, PhcReading)
        assert event.unc_ns < 1_500
        assert abs(event.phc_ns - event.raw_ns - 37 * NS_PER_S) <= event.unc_ns
        assert event.real_ns - event.raw_ns == EPOCH_NS
    assert 15 * NS_PER_S < events[1].raw_ns - events[0].raw_ns < 17 * NS_PER_S
    port.close()
    port.close()
    assert card.closed == [HANDLE]


@pytest.mark.parametrize(
    ("error", "told"),
    [(errno.ENODEV, "no such clock"), (errno.EACCES, "udev rule"), (errno.EINVAL, "no network card's clock"),
     (errno.EOPNOTSUPP, "no network card's clock"), (errno.EIO, "cannot be read")],
)  # fmt: skip
def test_one_that_fails_is_told_released_and_tried_again(card, error, told):
    port = PhcPort(PhcSettings(), "phc0")
    port.open()
    card.error = error
    card.raw = max(card.raw, port.wake_at())
    (down,) = port.on_timer(card.raw)
    assert isinstance(down, PortChange)
    assert not down.up
    assert told in down.reason
    assert card.closed == [HANDLE]
    card.raw = port.wake_at()
    assert port.on_timer(card.raw) == []  # still the same
    card.error = None
    card.raw = port.wake_at()
    (up,) = port.on_timer(card.raw)
    assert isinstance(up, PortChange)
    assert up.up
    port.close()


def test_what_is_no_clock_or_not_there_is_named(tmp_path):
    port = PhcPort(PhcSettings(str(tmp_path / "ptp0")), "phc0")
    with pytest.raises(PortError, match=r"ptp0: no such clock; set phc\.device"):
        port.open()
    port.close()
    other = PhcPort(PhcSettings("/dev/null"), "phc0")
    with pytest.raises(PortError, match="no network card's clock"):
        other.open()
    other.close()


def test_the_policy_names_it():
    policy = parse_policy('[phc]\ndevice = "/dev/ptp1"\n')
    assert policy.phc == PhcSettings("/dev/ptp1")
    assert [port.name for port in ports_of(policy)] == ["sys0", "phc0"]
    assert port_table(policy)["phc0"] == {"kind": "phc", "device": "/dev/ptp1"}
    assert parse_policy("[phc]\n").phc == PhcSettings("/dev/ptp0")
