"""The fact that services wait for: two agree, the system clock is with them, and not before the floor."""

import pytest

from refclock.core.gate.judge import Anchor, Judge
from refclock.core.seconds.interval import Interval, RawRate
from refclock.core.seconds.leap import LeapSecond
from refclock.core.trust.established import established, opinions, system_off_ns
from refclock.core.trust.vetting import Vetting
from refclock.model import Mode, Tick
from refclock.policy import parse_policy
from refclock.units import NS_PER_MS, NS_PER_S
from tests.unit.test_core_host import BEGIN_S, BUILD_S, KDC, Host


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
    host.now_s += 20_000
    host.second(40)
    assert host.mode is Mode.DEGRADED
    half = opinions(host.bridge.vetting, host.stamp(host.now_s * NS_PER_S)[0])["rtc"].half_ns
    assert half > 5 * NS_PER_S
    assert who(host) == []


# ---- to the nanosecond -----------------------------------------------------------------------------

UTC = BEGIN_S * NS_PER_S
AT = 10**15
FRESH_NS = 8 * NS_PER_S
BOUND_NS = 7 * NS_PER_MS
SURE = RawRate(0, 0, enrolled=True)


def vetted(mode: Mode = Mode.VETTED, text: str = KDC) -> Vetting:
    """A receiver that was right to 7 ms at ``AT``, on a counter of which all is known."""
    made = Vetting(parse_policy(text), BUILD_S)
    made.witnesses.rate = SURE
    made.mode, made.judge = mode, Judge(made.policy, Anchor(AT, UTC, BOUND_NS), SURE)
    return made


def hear(made: Vetting, lo_ns: int, hi_ns: int) -> Vetting:
    """The quorum says so at ``AT``, relative to true time."""
    made.witnesses.quorum.interval = Interval(UTC + lo_ns, UTC + hi_ns, AT)
    return made


@pytest.mark.parametrize("mode", [Mode.VETTED, Mode.DEGRADED])
def test_a_trusted_receiver_says_its_last_second_within_its_bound_while_it_is_fresh(mode):
    made = vetted(mode)
    assert opinions(made, AT) == {"receiver": Interval(UTC - BOUND_NS, UTC + BOUND_NS, AT)}
    assert "receiver" in opinions(made, AT + FRESH_NS)
    assert opinions(made, AT + FRESH_NS + 1) == {}


def test_before_the_edge_proof_a_receiver_may_be_off_by_a_second():
    made = vetted(Mode.ACQUIRING)
    assert opinions(made, AT) == {}  # the judge is one of before a restart
    made.acquisition.last = AT, UTC
    assert opinions(made, AT) == {"receiver": Interval(UTC - NS_PER_S, UTC + NS_PER_S, AT)}
    assert "receiver" in opinions(made, AT + FRESH_NS)
    assert opinions(made, AT + FRESH_NS + 1) == {}


@pytest.mark.parametrize("mode", [Mode.COLD, Mode.HOLDOVER, Mode.LOCKED])
def test_a_receiver_that_is_refused_has_no_voice(mode):
    made = vetted(mode)
    made.acquisition.last = AT, UTC
    assert opinions(made, AT) == {}


def test_a_pulse_without_a_label_is_no_second_opinion_before_it_is_trusted():
    text = KDC + '[receiver]\nprotocol = "pps-only"\n'
    made = vetted(Mode.ACQUIRING, text)
    made.acquisition.last = AT, UTC
    assert opinions(made, AT) == {}
    assert set(opinions(vetted(text=text), AT)) == {"receiver"}


@pytest.mark.parametrize(
    ("lo_ms", "hi_ms", "from_ms", "to_ms"),
    [(-20, -3, -1007, 997), (3, 20, -997, 1007), (7, 20, -993, 1007), (-20, 20, -1007, 1007)],
)
def test_the_system_clock_is_within_the_tolerance_of_what_the_two_share(lo_ms, hi_ms, from_ms, to_ms):
    """The receiver says 7 ms to either side; one point is enough to share."""
    made = hear(vetted(), lo_ms * NS_PER_MS, hi_ms * NS_PER_MS)
    for off_ns in (from_ms * NS_PER_MS, to_ms * NS_PER_MS):
        assert established(made, AT, UTC + off_ns) == ["receiver", "ntp"]
    for off_ns in (from_ms * NS_PER_MS - 1, to_ms * NS_PER_MS + 1):
        assert established(made, AT, UTC + off_ns) == []


def test_two_that_share_no_point_establish_nothing():
    assert established(hear(vetted(), BOUND_NS + 1, 20 * NS_PER_MS), AT, UTC) == []
    assert established(hear(vetted(), -20 * NS_PER_MS, -BOUND_NS - 1), AT, UTC) == []


def test_the_floor_holds_for_the_system_clock_as_well_within_the_tolerance():
    made = hear(vetted(), 0, 0)
    made.dates.raise_floor(BEGIN_S + 1)
    assert established(made, AT, UTC) == ["receiver", "ntp"]
    assert established(made, AT, UTC - 1) == []


@pytest.mark.parametrize(("half_ns", "counts"), [(3 * NS_PER_S, True), (3 * NS_PER_S + 1, False)])
def test_an_opinion_wider_than_a_strange_rtc_s_is_none(half_ns, counts):
    made = hear(vetted(), 0, 0)
    assert made.judge is not None
    made.judge.last_bound_ns = half_ns
    assert bool(established(made, AT, UTC)) is counts


def test_the_system_clock_s_posix_time_is_compared_with_its_leap_seconds():
    made = hear(vetted(), 0, 0)
    made.witnesses.leap.confirmed.append(LeapSecond(BUILD_S, 1))
    assert established(made, AT, UTC - 3 * NS_PER_S // 2) == ["receiver", "ntp"]
    assert established(made, AT, UTC) == ["receiver", "ntp"]
    assert established(made, AT, UTC + 1) == []


# ---- how far the system clock is beside that ---------------------------------------------------------


@pytest.mark.parametrize(
    ("off_ns", "outside_ns"), [(0, 0), (BOUND_NS, 0), (-BOUND_NS, 0), (BOUND_NS + 3, 3), (-BOUND_NS - 3, -3)]
)
def test_the_system_clock_is_off_by_what_it_is_beside_all_that_utc_may_be(off_ns, outside_ns):
    made = vetted()
    assert system_off_ns(made, Tick(AT, UTC + off_ns, 0)) == outside_ns
    quorum = Vetting(made.policy, BUILD_S)
    assert system_off_ns(quorum, Tick(AT, UTC + off_ns, 0)) is None
    assert system_off_ns(hear(quorum, -BOUND_NS, BOUND_NS), Tick(AT, UTC + off_ns, 0)) == outside_ns


def test_in_holdover_what_utc_may_be_widens_and_a_quorum_that_says_more_is_not_asked():
    made = hear(vetted(Mode.HOLDOVER), 0, 0)
    at_ns = AT + 200 * NS_PER_S  # at 5 ppm a millisecond
    for sign in (1, -1):
        off_ns = sign * (BOUND_NS + NS_PER_MS + 3)
        assert system_off_ns(made, Tick(at_ns, UTC + 200 * NS_PER_S + off_ns, 0)) == sign * 3


def test_the_system_clock_s_leap_seconds_are_counted_there_too():
    made = vetted()
    made.witnesses.leap.confirmed.append(LeapSecond(BUILD_S, 1))
    assert system_off_ns(made, Tick(AT, UTC - NS_PER_S + BOUND_NS + 3, 0)) == 3
