"""The fact that services wait for: two agree, the system clock is with them, and not before the floor."""

from refclock.core.trust.established import established, opinions
from refclock.units import NS_PER_MS, NS_PER_S
from tests.unit.test_core_host import BUILD_S, Host


def who(host: Host, off_ns: int = 0) -> list[str]:
    """Who establishes the time for a system clock that is off by so much."""
    raw, real, _ = host.stamp(host.now_s * NS_PER_S)
    return established(host.bridge.vetting, raw, real + off_ns)


def test_nobody_before_anybody_spoke():
    host = Host()
    assert who(host) == []
    assert established(host.bridge.vetting, 0, None) == []


def test_quorum_and_rtc_do_without_the_receiver_and_within_seconds():
    host = Host(silent=True)
    host.second(10)
    assert who(host) == ["rtc", "ntp"]


def test_a_system_clock_beyond_the_tolerance_is_not_established():
    host = Host().feed()
    assert who(host) == ["receiver", "rtc"]
    assert who(host, 2 * NS_PER_S) == []
    assert who(host, -2 * NS_PER_S) == []
    assert who(host, 900 * NS_PER_MS) != []


def test_a_system_clock_before_the_floor_is_not_established():
    host = Host().feed()
    raw = host.stamp(host.now_s * NS_PER_S)[0]
    assert established(host.bridge.vetting, raw, (BUILD_S - 10) * NS_PER_S) == []


def test_the_receiver_alone_never_suffices():
    host = Host(ntp_silent=True, rtc_silent=True)
    host.second(60)
    assert set(opinions(host.bridge.vetting, host.stamp(host.now_s * NS_PER_S)[0])) == {"receiver"}
    assert who(host) == []


def test_a_receiver_that_fell_silent_or_lies_has_no_voice():
    host = Host().feed()
    host.silent = True
    host.second(30)
    assert "receiver" not in opinions(host.bridge.vetting, host.stamp(host.now_s * NS_PER_S)[0])
    host = Host()
    host.second(20)
    host.silent = True
    host.second(9)
    assert "receiver" not in opinions(host.bridge.vetting, host.stamp(host.now_s * NS_PER_S)[0])


def test_a_receiver_and_an_rtc_that_says_next_to_nothing_are_not_two():
    """An interval of minutes agrees with everything; that is no second opinion."""
    host = Host()
    host.restore({"rtc_rate_ppt": 0, "rtc_rate_unc_ppt": 500 * 10**6})
    host.feed()
    host.ntp_silent = True
    host.second(20_000)
    half = opinions(host.bridge.vetting, host.stamp(host.now_s * NS_PER_S)[0])["rtc"].half_ns
    assert half > 5 * NS_PER_S
    assert who(host) == []
