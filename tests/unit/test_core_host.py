"""A host in a bottle: an integer world, much plainer than the simulator's, that drives a Bridge.

The other tests of the core use it; the ones here say that it is honest when nobody touches it.
"""

import json
from dataclasses import dataclass, field
from functools import reduce
from operator import xor
from typing import TypeVar

from refclock.core.bridge import Bridge
from refclock.model import (
    Accuse,
    Command,
    Decision,
    Event,
    Mode,
    ModeChange,
    NtpReply,
    PpsEdge,
    Publish,
    RtcTick,
    SerialBytes,
    SystemClock,
    Tick,
    Withhold,
)
from refclock.policy import Policy, parse_policy
from refclock.units import NS_PER_MS, NS_PER_S
from refclock.wire import sntp
from refclock.wire.calendar import show_utc

BUILD_S = 1_767_225_600  # 2026-01-01T00:00:00Z
BEGIN_S = 1_803_859_200  # 2027-03-01T00:00:00Z
RAW_0 = 5 * 10**14
UNSYNC = 0x40
KDC = """
[pps]
device = "/dev/pps0"
[rtc]
[ntp]
servers = ["a", "b", "c", "d"]
"""
ENROLMENT: dict[str, object] = {
    "raw_rate_ppt": 0,
    "raw_rate_unc_ppt": 0,
    "rtc_rate_ppt": 0,
    "rtc_rate_unc_ppt": 10**6,
}
D = TypeVar("D", bound=Decision)


def sentence(body: str) -> bytes:
    """An NMEA sentence with its checksum."""
    data = body.encode()
    return b"$%b*%02X\r\n" % (data, reduce(xor, data))


def burst(label_s: int, second60: bool = False, valid: bool = True, utc: bool | None = True) -> bytes:
    """RMC, and PUBX,04 where ``utc`` says whether the leap count is confirmed."""
    date, clock = show_utc(label_s, second60).split("T")
    year, month, day = date.split("-")
    hms, dmy = clock.replace(":", ""), day + month + year[2:]
    status, mode = ("A", "A") if valid else ("V", "N")
    text = sentence(f"GPRMC,{hms}.00,{status},4812.49,N,01622.38,E,0.0,,{dmy},,,{mode}")
    if utc is None:
        return text
    return text + sentence(f"PUBX,04,{hms}.00,{dmy},0,0,18{'' if utc else 'D'},0,0.0,21")


def ntp_packet(utc_ns: int, cookie: str, leap: int = 0, own_ns: int = NS_PER_MS) -> bytes:
    """An answer of a healthy server that received and sent at ``utc_ns``."""
    stamp = sntp.from_posix_ns(utc_ns)
    return sntp.encode(
        sntp.NtpPacket(
            leap, 4, sntp.MODE_SERVER, 1, 6, -23, 0, own_ns, b"GPS\0",
            sntp.from_posix_ns(utc_ns - 5 * NS_PER_S), int(cookie, 16), stamp, stamp,
        )
    )  # fmt: skip


@dataclass
class Host:
    """True UTC (SI ns) is ``BEGIN_S`` s plus the time since ``RAW_0`` on the raw counter.

    ``shift_ns`` is how far the receiver is ahead of UTC, ``label_s`` how far its labels alone are,
    ``posix_s`` how many leap seconds were inserted (what everybody's clock lacks).
    """

    text: str = KDC
    enrolled: bool = True
    now_s: int = 0
    shift_ns: int = 0
    label_s: int = 0
    valid: bool = True
    utc: bool | None = True
    silent: bool = False
    labels: bool = True
    pulse_port: str = "pps0"
    ntp_ns: int = 0
    ntp_one_ns: int = 0
    ntp_leap: int = 0
    ntp_silent: bool = False
    ntp_delay_ns: int = 20 * NS_PER_MS
    rtc_ns: int = 0
    rtc_silent: bool = False
    real_ns: int = 0
    posix_s: int = 0
    status: int = UNSYNC
    boot_id: str = "boot"
    clocksource: str = "tsc"
    suspended_ms: int | None = None
    cesium_ns: int | None = None
    identify: bool = True
    events: list[Event] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.policy: Policy = parse_policy(self.text)
        self.bridge = Bridge(self.policy, BUILD_S)
        self.number = 0
        if self.enrolled:
            self.restore(ENROLMENT)

    def stamp(self, true_ns: int, unc_ns: int = 100) -> tuple[int, int, int]:
        """RAW, REALTIME and half-width at an instant of the world (ns since its begin)."""
        real = (BEGIN_S - self.posix_s) * NS_PER_S + true_ns + self.real_ns
        return RAW_0 + true_ns, real, unc_ns

    def step(self, event: Event) -> list[Decision]:
        """One event into the bridge."""
        self.events.append(event)
        found = self.bridge.step(event)
        self.decisions += found
        return found

    def command(self, verb: str, **args: object) -> list[Decision]:
        """A command now."""
        return self.step(Command(*self.stamp(self.now_s * NS_PER_S - 600_000_000), verb, args))

    def restore(self, memory: dict[str, object]) -> list[Decision]:
        """A memory of before, as it comes back from a file."""
        return self.command("restore", **json.loads(json.dumps(memory)))

    def restarted(self) -> "Host":
        """The same world under a new daemon that remembers what the old one kept."""
        kept = self.bridge.memory()
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        fields |= {"events": [], "decisions": [], "enrolled": False}
        new = Host(**fields)
        new.restore(kept)
        return new

    def poll_ntp(self, at_ns: int) -> None:
        """Every server answers."""
        for index, name in enumerate(("a", "b", "c", "d")):
            self.number += 1
            cookie = f"{self.number:016x}"
            asked = at_ns + index * NS_PER_MS
            there = asked + self.ntp_delay_ns // 2
            utc = self.stamp(there)[1] - self.real_ns + self.ntp_ns + (0 if index else self.ntp_one_ns)
            data = None if self.ntp_silent else ntp_packet(utc, cookie, self.ntp_leap)
            back = RAW_0 + asked + self.ntp_delay_ns
            stamp = self.stamp(asked + self.ntp_delay_ns)
            self.step(NtpReply(*stamp, "ntp0", f"{name}:123", cookie, RAW_0 + asked, back, data))

    def edge(self, edge_ns: int) -> list[Decision]:
        """A pulse at an instant of the world."""
        self.number += 1
        at_ns = self.stamp(edge_ns)[1]
        return self.step(
            PpsEdge(*self.stamp(edge_ns + 300_000), self.pulse_port, "assert", self.number, at_ns)
        )

    def say(self, edge_ns: int, label_s: int) -> None:
        """The receiver's messages on the pulse at ``edge_ns``, which it calls ``label_s``."""
        data = burst(label_s, valid=self.valid, utc=self.utc)
        self.step(SerialBytes(*self.stamp(edge_ns + 120 * NS_PER_MS), "gps0", data))

    def second(self, count: int = 1) -> list[Decision]:
        """Let seconds pass; returns their decisions."""
        before = len(self.decisions)
        for _ in range(count):
            begin = self.now_s * NS_PER_S
            if self.identify and self.now_s % 64 == 0:
                stamp = self.stamp(begin - 550_000_000)
                identity = self.clocksource, self.boot_id, self.suspended_ms
                self.step(SystemClock(*stamp, 0, 10_000, self.status, 0, 37, *identity))
            if self.now_s % 16 == 0:
                self.poll_ntp(begin - 540_000_000)
            if self.now_s % 16 == 8 and not self.rtc_silent:
                # The RTC's seconds begin where it shows them: its shift moves the tick and the number.
                whole, rest = divmod(self.rtc_ns, NS_PER_S)
                tick = begin - rest
                # It knows no leap seconds.
                self.step(RtcTick(*self.stamp(tick, 500_000), "rtc0", BEGIN_S + self.now_s + whole))
            if self.cesium_ns is not None:
                self.number += 1
                pulse = begin - 700 * NS_PER_MS + self.cesium_ns
                at_ns = self.stamp(pulse)[1]
                self.step(PpsEdge(*self.stamp(pulse + 300_000), "cs0", "assert", self.number, at_ns))
            if not self.silent:
                whole = (self.shift_ns + NS_PER_S // 2) // NS_PER_S
                edge = begin - (self.shift_ns - whole * NS_PER_S)
                self.edge(edge)
                label = BEGIN_S - self.posix_s + self.now_s + whole + self.label_s
                if self.labels:
                    self.say(edge, label)
            else:
                self.step(Tick(*self.stamp(begin)))
            self.now_s += 1
        return self.decisions[before:]

    def feed(self) -> "Host":
        """Go on until the first second is fed."""
        while self.mode is not Mode.VETTED:
            assert self.now_s < 4000, [one for one in self.decisions if not isinstance(one, Withhold)]
            self.second()
        return self

    @property
    def mode(self) -> Mode:
        """The mode now."""
        return self.bridge.vetting.mode

    def error_ns(self, one: Publish) -> int:
        """Published less true UTC."""
        return one.utc_ns - (BEGIN_S - self.posix_s) * NS_PER_S - (one.raw_ns - RAW_0)

    def published(self) -> list[Publish]:
        """All that was published."""
        return only(self.decisions, Publish)

    def worst_ns(self) -> int:
        """The greatest published error."""
        return max((abs(self.error_ns(one)) for one in self.published()), default=0)


def only(decisions: list[Decision], kind: type[D]) -> list[D]:
    """The decisions of one kind."""
    return [one for one in decisions if isinstance(one, kind)]


def reasons(decisions: list[Decision]) -> set[str]:
    """The reasons of all refusals."""
    return {one.reason for one in only(decisions, Withhold)}


def modes(decisions: list[Decision]) -> list[Mode]:
    """The modes entered, in order."""
    return [one.after for one in only(decisions, ModeChange)]


def accused(decisions: list[Decision]) -> list[str]:
    """Who was accused, in order."""
    return [one.source for one in only(decisions, Accuse)]


def test_an_honest_enrolled_host_feeds_after_the_warm_dwell_and_never_errs():
    host = Host()
    host.second(300)
    assert modes(host.decisions) == [Mode.ACQUIRING, Mode.VETTED]
    assert only(host.decisions, ModeChange)[1].raw_ns == RAW_0 + 120 * NS_PER_S
    assert len(host.published()) == 180
    assert host.worst_ns() == 0
    assert reasons(host.decisions) == {"dwell"}
    assert accused(host.decisions) == []


def test_an_honest_host_that_was_never_enrolled_feeds_after_the_cold_dwell():
    host = Host(enrolled=False)
    host.second(1900)
    assert only(host.decisions, ModeChange)[1].raw_ns == RAW_0 + 1800 * NS_PER_S
    assert host.worst_ns() == 0


def test_each_publication_carries_the_kernel_s_stamp_unchanged():
    host = Host(real_ns=12_345).feed()
    stamps = {one.at_ns for one in host.events if isinstance(one, PpsEdge)}
    assert {one.sys_ns for one in host.published()} <= stamps
