"""Established: two of receiver, RTC and quorum agree, and the system clock with them."""

import pytest

from refclock.core.bridge import Bridge
from refclock.core.gate.judge import Anchor, Judge
from refclock.core.seconds.interval import Interval
from refclock.core.trust.established import established, opinions
from refclock.core.trust.vetting import Vetting
from refclock.model import Mode, RtcTick, Tick
from refclock.policy import parse_policy
from refclock.units import NS_PER_MS, NS_PER_S

BUILD_S = 1_700_000_000
NOW_S = 1_800_000_000
NOW = NOW_S * NS_PER_S
RAW = 1000 * NS_PER_S


@pytest.fixture
def vetting() -> Vetting:
    return Vetting(parse_policy('[ntp]\nservers = ["a", "b", "c"]\n'), BUILD_S)


def _rtc(vetting: Vetting, off_s: int = 0) -> None:
    vetting.witnesses.on_rtc(RtcTick(RAW, NOW, 1000, "rtc0", NOW_S + off_s))


def _ntp(vetting: Vetting, off_ns: int = 0) -> None:
    vetting.witnesses.quorum.interval = Interval(
        NOW + off_ns - 10 * NS_PER_MS, NOW + off_ns + 10 * NS_PER_MS, RAW
    )


def _receiver(vetting: Vetting, off_ns: int = 0) -> None:
    vetting.mode = Mode.VETTED
    vetting.judge = Judge(vetting.policy, Anchor(RAW, NOW + off_ns, NS_PER_MS), vetting.witnesses.rate)


@pytest.mark.parametrize(
    ("who", "names"),
    [
        ((), []),
        ((_rtc,), []),
        ((_ntp,), []),
        ((_receiver,), []),
        ((_rtc, _ntp), ["rtc", "ntp"]),
        ((_rtc, _receiver), ["receiver", "rtc"]),
        ((_ntp, _receiver), ["receiver", "ntp"]),
        ((_rtc, _ntp, _receiver), ["receiver", "rtc"]),
    ],
)
def test_it_takes_two(vetting, who, names):
    for one in who:
        one(vetting)
    assert established(vetting, RAW, NOW) == names


def test_two_that_disagree_establish_nothing_until_a_third_decides(vetting):
    _ntp(vetting)
    _rtc(vetting, off_s=3600)
    assert established(vetting, RAW, NOW) == []
    _receiver(vetting)
    assert established(vetting, RAW, NOW) == ["receiver", "ntp"]


@pytest.mark.parametrize(
    ("off_ns", "well"), [(0, True), (10**9, True), (1_100_000_000, False), (-(10**9), True)]
)
def test_the_system_clock_must_be_within_its_tolerance(vetting, off_ns, well):
    _ntp(vetting)
    _receiver(vetting)
    assert bool(established(vetting, RAW, NOW + off_ns)) is well


def test_nothing_is_established_before_the_floor_or_without_a_system_clock(vetting):
    _ntp(vetting)
    _receiver(vetting)
    assert established(vetting, RAW, None) == []
    vetting.dates.raise_floor(NOW_S + 2)
    assert established(vetting, RAW, NOW) == []


def test_a_second_that_was_just_fed_does_not_put_the_system_clock_before_the_floor(vetting):
    _ntp(vetting)
    _receiver(vetting)
    vetting.dates.fed_s = NOW_S
    assert established(vetting, RAW, NOW + 1)


@pytest.mark.parametrize("mode", [Mode.HOLDOVER, Mode.LOCKED, Mode.COLD, Mode.ACQUIRING])
def test_a_receiver_that_is_not_fed_from_has_no_opinion(vetting, mode):
    _receiver(vetting)
    vetting.mode = mode
    assert "receiver" not in opinions(vetting, RAW)


def test_a_receivers_opinion_is_void_after_the_time_that_it_may_be_missing(vetting):
    _receiver(vetting)
    _ntp(vetting)
    assert established(vetting, RAW + 8 * NS_PER_S, NOW + 8 * NS_PER_S)
    assert not established(vetting, RAW + 9 * NS_PER_S, NOW + 9 * NS_PER_S)


def test_during_the_dwell_a_receivers_label_counts_for_a_second_either_way(vetting):
    vetting.mode = Mode.ACQUIRING
    vetting.acquisition.last = RAW, NOW + NS_PER_S
    _ntp(vetting)
    assert established(vetting, RAW, NOW) == ["receiver", "ntp"]
    vetting.acquisition.last = RAW, NOW + 2 * NS_PER_S
    assert established(vetting, RAW, NOW) == []
    vetting.acquisition.last = RAW - 9 * NS_PER_S, NOW - 9 * NS_PER_S
    assert established(vetting, RAW, NOW) == []


def test_the_bridge_tells_the_system_clock_from_its_last_event():
    bridge = Bridge(parse_policy(""), BUILD_S)
    assert bridge.system_ns(RAW) is None
    assert bridge.view(RAW)["established"] is False
    bridge.step(Tick(RAW, NOW, 0))
    assert bridge.system_ns(RAW + 5) == NOW + 5
