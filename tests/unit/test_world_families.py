"""What must hold of every voice in the table: it speaks its family's language, and the truth."""

from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from refclock.cli.truth import Truth
from refclock.core.bridge import Bridge
from refclock.model import PpsEdge, Publish, SerialBytes, Withhold
from refclock.policy import parse_policy
from refclock.units import NS_PER_S, S_PER_DAY, S_PER_WEEK
from refclock.wire.families import AUTO, FAMILIES
from refclock.wire.report import Health, Label, LeapInfo, Report, on_time
from refclock.wire.scanner import Counters, Scanner
from refclock.world import World, WorldArguments
from refclock.world.scenario import BUILD_S
from refclock.world.voices.table import DATED, VOICES

START_S = 1_803_859_200 + 9 * S_PER_DAY  # 2027-03-10: not a month's first second
USUAL = WorldArguments(seed=5, start_s=START_S, duration_ns=60 * NS_PER_S)
# Voices that say anything, and those that say what time it is, unasked or asked.
SPEAKERS = [name for name, row in VOICES.items() if row.protocol in (AUTO, *FAMILIES)]
# Those of the ASCII time codes that leave out the year or the time scale are in test_world_timecodes.py.
UNSAID = [name for name, row in VOICES.items() if row.vouched or row.yearless or name == "meinberg-cet"]
TELLERS = [name for name in DATED if name in SPEAKERS and name not in UNSAID]


class Heard:
    """What a world's host heard: reports with the true UTC (ns) at which they (or the byte on time) came."""

    def __init__(self, world: World) -> None:
        truth = Truth.of(world.header())
        assert truth is not None
        scanner = Scanner(VOICES[world.arguments.receiver].protocol)
        self.reports: list[tuple[int, Report]] = []
        self.edges = 0
        fed: list[tuple[int, int]] = []
        for event in world.events():
            self.edges += isinstance(event, PpsEdge)
            if isinstance(event, SerialBytes):
                found = scanner.feed(event.data)
                fed.append((scanner.offset, truth.utc_ns(event.raw_ns)))
                for report in found:
                    self.reports.append((next(at for end, at in fed if on_time(report) < end), report))
        self.counters: Counters = scanner.counters

    def labels(self) -> list[tuple[int, Label]]:
        """Seconds in UTC."""
        return [(at, one) for at, one in self.reports if isinstance(one, Label) and one.timescale == "utc"]

    def off_s(self) -> set[int]:
        """By how many seconds labels are off the pulse that they claim to name."""
        found = set()
        for at_ns, label in self.labels():
            named = label.utc_s + label.second60 + (label.frac_ns > NS_PER_S // 2)
            found.add(named - at_ns // NS_PER_S - (label.label_edge == "next"))
        return found


@cache
def heard(name: str, *attacks: str, **options: Any) -> Heard:
    return Heard(World(replace(USUAL, receiver=name, attacks=attacks, **options)))


def confirms(name: str) -> bool:
    """Whether it says that its leap-second count comes from the satellites: then a short dwell suffices."""
    return any(one.utc_valid for _, one in heard(name).reports if isinstance(one, Label | LeapInfo))


CONFIRMERS = [name for name in TELLERS if confirms(name)]


@cache
def course(name: str, *attacks: str, **options: Any) -> tuple[list[Publish], dict[str, int], Truth]:
    """What is decided of five minutes, or so many."""
    usual = replace(USUAL, duration_ns=300 * NS_PER_S)
    world = World(replace(usual, receiver=name, attacks=attacks, **options))
    header = world.header()
    bridge = Bridge(parse_policy(str(header["policy"])), BUILD_S)
    truth = Truth.of(header)
    assert truth is not None
    published, reasons = [], dict[str, int]()
    for event in world.events():
        for decision in bridge.step(event):
            if isinstance(decision, Publish):
                published.append(decision)
            elif isinstance(decision, Withhold):
                reasons[decision.reason] = reasons.get(decision.reason, 0) + 1
    return published, reasons, truth


def worst(published: list[Publish], truth: Truth) -> int:
    assert all(abs(truth.error_ns(one)) <= one.bound_ns for one in published)
    return max((abs(truth.error_ns(one)) for one in published), default=0)


@pytest.mark.parametrize("name", SPEAKERS)
def test_a_voice_speaks_its_family_s_language(name):
    told = heard(name)
    assert told.edges >= 59
    assert sum(told.counters.frames.values()) >= 50
    assert not any(told.counters.damaged.values())


@pytest.mark.parametrize("name", TELLERS)
def test_an_honest_voice_names_the_right_second(name):
    told = heard(name)
    assert len(told.labels()) >= 50
    assert told.off_s() == {0}
    assert {label.valid for _, label in told.labels()} <= {True, None}


@pytest.mark.parametrize("name", TELLERS)
@pytest.mark.parametrize(
    ("attack", "off_s"),
    [("week:-1024@20s", -1024 * S_PER_WEEK), ("date:+1024w@20s", 1024 * S_PER_WEEK), ("label:-1s@20s", -1)],
)
def test_a_voice_that_is_told_to_lie_lies(name, attack, off_s):
    assert heard(name, attack).off_s() == {0, off_s}


@pytest.mark.parametrize("name", TELLERS)
def test_a_garbled_reading_is_no_second(name):
    whole, garbled = heard(name), heard(name, "garble@30s")
    assert garbled.off_s() == {0}
    assert len(garbled.labels()) <= len(whole.labels())


@pytest.mark.parametrize("name", TELLERS)
def test_a_fault_of_the_antenna_shows(name):
    told = heard(name, "antenna@20s")
    late = [one for at, one in told.reports if at >= (START_S + 45) * NS_PER_S]
    words = [one for one in late if isinstance(one, Health)]
    invalid = any(isinstance(one, Label) and one.valid is False for one in late)
    assert invalid or any(one.antenna == "open" or one.fix is False or one.holdover for one in words)


@pytest.mark.parametrize("name", CONFIRMERS)
def test_five_honest_minutes_are_fed(name):
    published, reasons, truth = course(name)
    assert len(published) > 170
    assert worst(published, truth) < 100_000
    assert set(reasons) <= {"dwell", "no-label", "no-edge", "ntp-lost"}


@pytest.mark.parametrize("name", CONFIRMERS)
@pytest.mark.parametrize(
    "attack", ["week:-1024@4m", "label:+1s@4m", "step:+100ms@4m", "flip-week:+1@4m", "freeze@4m"]
)
def test_a_lie_is_not_fed(name, attack):
    published, _, truth = course(name, attack)
    assert 110 < len(published) < 300
    assert worst(published, truth) < 100_000


@pytest.mark.parametrize("name", CONFIRMERS)
def test_a_cold_start_feeds_nothing_before_utc_is_known(name):
    published, reasons, truth = course(name, cold_s=60, duration_ns=960 * NS_PER_S)
    assert worst(published, truth) < 100_000
    known_ns = (START_S + 750) * NS_PER_S
    assert all(one.utc_ns > known_ns for one in published)
    assert reasons


JUNE_S = 1_814_399_700  # 2027-06-30T23:55:00Z


@pytest.mark.parametrize("name", CONFIRMERS)
def test_a_leap_second_makes_nobody_wrong(name):
    published, reasons, truth = course(name, start_s=JUNE_S, leap_second=True, duration_ns=420 * NS_PER_S)
    assert worst(published, truth) < 100_000
    assert len(published) > 270
    assert max(one.utc_ns for one in published) > (JUNE_S + 400) * NS_PER_S
    told = heard(name, start_s=JUNE_S + 270, leap_second=True)
    announced = {one.at_s for _, one in told.reports if isinstance(one, LeapInfo) and one.change}
    assert announced <= {None, JUNE_S + 300}
    assert set(reasons) <= {"dwell", "no-label", "no-edge", "leap-second", "ntp-lost"}
