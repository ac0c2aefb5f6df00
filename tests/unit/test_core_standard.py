"""A pulse without a label: who numbers it, once, and what happens when they do not agree."""

from typing import Any

import pytest

from refclock.core.seconds.health import Fault, ReceiverHealth
from refclock.core.seconds.interval import Interval, RawRate
from refclock.core.seconds.leap import LeapSecond, LeapSeconds
from refclock.core.seconds.line import Line
from refclock.core.seconds.pairing import Edge, Refused, Second
from refclock.core.seconds.standard import Standard
from refclock.core.witness.companion import Companion
from refclock.model import Accuse, Mode, Publish, SerialBytes, Withhold
from refclock.policy import parse_policy
from refclock.units import NS_PER_MS, NS_PER_S
from refclock.wire.report import Health, Label
from tests.unit.test_core_host import BEGIN_S, KDC, RAW_0, Host, burst, modes, only, reasons

MS = NS_PER_MS
SURE = RawRate(0, 0)
UTC_S = 1_803_859_200
PULSE = 'profile = "kdc"\n[receiver]\nprotocol = "pps-only"\n[pps]\ndelay_ns = 40\n'
TEXT = KDC + '[receiver]\nprotocol = "pps-only"\n[limits]\nrtc_error_ms = 200\n'
COMPANION = '[companion]\ndevice = "/dev/ttyS1"\nprotocol = "nmea"\nmessage_delay_us = 120000\n'
LIMITS = parse_policy("").limits
CESIUM = """
profile = "kdc-cesium"
[receiver]
protocol = "none"
[cesium]
[rtc]
[ntp]
servers = ["a", "b", "c", "d"]
[limits]
rtc_error_ms = 200
witnesses = 2
[loosened]
witnesses = "the cesium itself is what is vetted"
"""


class Bench:
    """A standard beside two witnesses who are right to 5 and 100 ms; times in ms, seconds from ``UTC_S``."""

    def __init__(self, text: str = PULSE) -> None:
        self.health, self.leap = ReceiverHealth(100, 10**9), LeapSeconds()
        self.standard = Standard(parse_policy(text), self.health, self.leap)
        self.number = 0
        self.off_ns, self.halves = [0, 0], [5 * MS, 100 * MS]

    def told(self, raw_ns: int) -> list[Interval]:
        """The witnesses' words; the world's second 0 is at raw 0."""
        si = UTC_S * NS_PER_S + raw_ns
        pairs = zip(self.off_ns, self.halves, strict=True)
        return [Interval(si + off - half, si + off + half, raw_ns) for off, half in pairs]

    def pulse(self, at_ns: int, counted: tuple[int, int] | None = None, rate: RawRate = SURE) -> list[Any]:
        """A pulse, and all that is said of it."""
        self.number += 1
        edge = Edge(at_ns, 5, at_ns + 7)
        return self.standard.on_edge(edge, self.number, rate, counted, self.told(at_ns))

    def edge(self, at_ms: int, counted: tuple[int, int] | None = None, rate: RawRate = SURE) -> list[Any]:
        """A pulse: its second (relative to ``UTC_S``), or reason and value."""
        return brief(self.pulse(at_ms * MS, counted, rate))


def brief(found: list[Any]) -> list[Any]:
    """The seconds (relative to ``UTC_S``), or reasons and values."""
    return [one.utc_s - UTC_S if isinstance(one, Second) else (one.reason, one.value) for one in found]


def test_two_sharp_witnesses_name_a_pulse():
    bench = Bench()
    found = bench.standard.on_edge(Edge(3 * NS_PER_S, 5, 7), 1, SURE, None, bench.told(3 * NS_PER_S))
    assert found == [Second(Edge(3 * NS_PER_S, 5, 7), UTC_S + 3, False, 40, 0)]


@pytest.mark.parametrize(
    ("halves", "sharp"),
    [([5, 250], 1), ([5, 251], 1), ([300, 300], 0), ([5, 249], None), ([249, 249], None)],
)
def test_a_witness_that_is_too_wide_names_nothing(halves, sharp):
    bench = Bench()
    bench.halves = [half * MS for half in halves]
    assert bench.edge(0) == ([0] if sharp is None else [("numbering", sharp)])


@pytest.mark.parametrize("off_s", [-2, -1, 1, 3600])
def test_witnesses_who_name_different_seconds_name_none(off_s):
    bench = Bench()
    bench.off_ns[0] = off_s * NS_PER_S
    assert bench.edge(0) == [("numbering-conflict", abs(off_s))]


def test_a_pulse_that_does_not_lie_on_a_second_is_none():
    bench = Bench()
    assert bench.edge(20) == [("numbering-phase", 15 * MS - 40)]
    bench = Bench()
    bench.off_ns = [0, 140 * MS]
    assert bench.edge(0) == [("numbering-phase", 40 * MS - 40)]


@pytest.mark.parametrize(("half_ns", "found"), [(250 * MS - 6, 0), (250 * MS - 5, ("numbering", 1))])
def test_a_quarter_of_a_second_with_the_pulse_s_own_doubt_is_too_wide(half_ns, found):
    bench = Bench()
    bench.halves[1] = half_ns
    assert bench.edge(0) == [found]


@pytest.mark.parametrize(("half_ms", "found"), [(49, 0), (50, ("numbering", 1))])
def test_a_tighter_quorum_limit_holds_for_those_who_number_too(half_ms, found):
    bench = Bench(PULSE + "[limits]\nwarm_quorum_ms = 50\n")
    bench.halves[1] = half_ms * MS
    assert bench.edge(0) == [found]


@pytest.mark.parametrize(("off_s", "apart_s"), [([0, 0, 2], 2), ([0, 1, 3], 3), ([-1, 0, 0], 1)])
def test_one_of_three_who_names_another_second_is_one_too_many(off_s, apart_s):
    bench = Bench()
    bench.off_ns, bench.halves = [off * NS_PER_S for off in off_s], [5 * MS] * 3
    assert bench.pulse(0) == [Refused(0, "numbering-conflict", apart_s, 0)]


@pytest.mark.parametrize(("beside_ns", "found"), [(5, 0), (6, ("numbering-phase", 6))])
def test_a_pulse_may_lie_beside_what_is_told_by_its_own_doubt(beside_ns, found):
    bench = Bench()
    bench.off_ns[0] = 40 + 5 * MS + beside_ns
    assert bench.edge(0) == [found]


@pytest.mark.parametrize("beside_ns", [-10, 10])
def test_the_nearest_second_is_that_of_the_pulse_without_its_delay(beside_ns):
    bench = Bench()
    bench.off_ns, bench.halves = [500 * MS + 40 + beside_ns] * 2, [5 * MS] * 2
    assert bench.edge(0) == [("numbering-phase", 495 * MS - 10)]


def test_once_trusted_the_counter_counts_and_nobody_is_asked():
    bench = Bench()
    bench.standard.expect(0)
    bench.off_ns, bench.halves = [NS_PER_S, NS_PER_S], [MS, MS]
    since = 0, (UTC_S + 100) * NS_PER_S + 40
    assert bench.edge(1000, since) == [101]
    assert bench.edge(3600_000, since) == [3700]


def test_where_the_counter_is_unsure_it_does_not_count():
    bench = Bench()
    since, rate = (0, UTC_S * NS_PER_S), RawRate(0, 10**6)
    assert bench.edge(125_000_000, since, rate) == [125_000]
    assert bench.edge(125_001_000, since, rate) == [("numbering-lost", 250_002_000)]


@pytest.mark.parametrize(("last_ns", "second"), [(500 * MS + 39, 1), (500 * MS + 40, 2)])
def test_it_counts_from_the_last_second_without_the_pulse_s_delay(last_ns, second):
    assert Bench().edge(1000, (0, UTC_S * NS_PER_S + last_ns)) == [second]


def test_it_counts_backwards_no_surer_than_forwards():
    since, rate = (125_001 * NS_PER_S, (UTC_S + 125_001) * NS_PER_S), RawRate(0, 10**6)
    assert Bench().edge(1000, since, rate) == [1]
    assert Bench().edge(0, since, rate) == [("numbering-lost", 250_002_000)]


def test_a_standard_with_a_line_must_say_on_it_whether_it_is_locked():
    bench = Bench(PULSE.replace("pps-only", "prs10"))
    assert bench.pulse(0) == [Refused(0, "standard-unknown", 0, 1)]
    bench.health.hear(Health("x", "y", 0, 1, locked=True), 500 * MS)
    assert bench.edge(1000) == [1]
    assert bench.health.fault(NS_PER_S) is None
    bench.health.hear(Health("x", "z", 0, 1, locked=False), 1500 * MS)
    assert bench.health.fault(2 * NS_PER_S) == Fault("standard-unlocked")
    assert bench.edge(16_000) == [16]
    assert bench.edge(18_000) == [("standard-unknown", 0)]


def test_pulses_are_ordered_and_missed_ones_counted():
    bench = Bench()
    assert bench.edge(1000) == [1]
    assert bench.pulse(NS_PER_S) == [Refused(NS_PER_S, "edge-order", 0, 1)]
    bench.number += 2
    assert bench.edge(4000) == [4]
    assert bench.standard.missed_edges == 3
    assert bench.edge(5000) == [5]
    assert bench.standard.missed_edges == 3
    bench.number += 1
    assert bench.edge(7000) == [7]
    assert bench.standard.missed_edges == 4


def test_where_the_kernel_counts_pulses_anew_none_was_missed():
    bench = Bench()
    bench.number = 70
    bench.edge(1000)
    bench.number = 0
    bench.edge(2000)
    assert bench.standard.missed_edges == 0


def test_a_grid_may_lie_anywhere_on_the_counter():
    bench = Bench()
    bench.off_ns = [-300 * MS, -300 * MS]
    for second in range(3):
        assert bench.edge(1000 * second + 300) == [second]
        bench.standard.expect((1000 * second + 300) * MS)


@pytest.mark.parametrize(("off_ns", "found"), [(10 * MS + 1, [1]), (10 * MS + 2, [])])
@pytest.mark.parametrize("sign", [-1, 1])
def test_the_end_of_the_window_belongs_to_it(off_ns, sign, found):
    bench = Bench(PULSE + "[limits]\nmask1_rate_ppt = 1\n")  # that is one nanosecond
    bench.standard.expect(0)
    assert brief(bench.pulse(NS_PER_S + sign * off_ns, (0, UTC_S * NS_PER_S + 40))) == found


def test_a_pulse_beside_the_right_one_is_left_out_before_and_after_it():
    bench = Bench()
    assert bench.edge(0) == [0]
    bench.standard.expect(0)
    assert bench.edge(300) == [("edge-extra", 300 * MS)]
    assert bench.edge(900) == []
    assert bench.edge(1000) == [("edge-extra", 100 * MS), 1]
    assert bench.standard.extra_edges == 2


def test_a_pulse_in_the_wrong_place_and_none_in_the_right_one():
    bench = Bench()
    assert bench.edge(0) == [0]
    bench.standard.expect(0)
    assert bench.edge(1100) == []
    assert bench.edge(2000) == [("edge-window", 100 * MS), 2]
    bench.standard.expect(2 * NS_PER_S)
    assert bench.edge(2900) == []
    assert bench.edge(3900) == [("edge-window", 100 * MS)]
    assert bench.edge(4900) == [("edge-window", 100 * MS)]
    bench.standard.expect(None)
    assert bench.edge(6000) == [6]
    bench.standard.expect(6 * NS_PER_S)
    assert bench.edge(7000) == [7]  # and of the pulse at 4900 nothing more is said


@pytest.mark.parametrize("off_ms", [-100, 100])
def test_a_pulse_that_is_late_says_that_the_standard_is_behind(off_ms):
    bench = Bench(PULSE + "[limits]\nmask1_rate_ppt = 1\n")
    bench.standard.expect(0)
    at_ns = NS_PER_S + off_ms * MS
    bench.pulse(at_ns)
    refused, _ = bench.pulse(2 * NS_PER_S)
    assert refused == Refused(at_ns, "edge-window", 100 * MS, 10 * MS + 1, moved_ns=-off_ms * MS)


@pytest.mark.parametrize(("at_ns", "reason"), [(500 * MS, "edge-extra"), (500 * MS - 1, "edge-window")])
def test_a_pulse_midway_is_one_too_many_of_the_later_second(at_ns, reason):
    bench = Bench()
    bench.standard.expect(0)
    assert bench.pulse(at_ns) == []
    assert bench.edge(1000) == [(reason, at_ns), 1]


def test_two_pulses_in_one_window_cast_doubt_on_those_that_follow():
    bench = Bench()
    assert bench.edge(0) == [0]
    bench.standard.expect(0)
    assert bench.pulse(MS) == [Refused(MS, "edge-ambiguous", 2, 1)]
    assert bench.edge(10_000) == [("edge-ambiguous", 2)]
    assert bench.edge(11_000) == [11]
    assert bench.standard.extra_edges == 1
    assert bench.edge(11_001) == [("edge-ambiguous", 2)]
    assert bench.standard.extra_edges == 2


@pytest.mark.parametrize(
    ("at_ns", "found"), [(10 * NS_PER_S, 10), (10 * NS_PER_S - 1, ("edge-ambiguous", 2))]
)
def test_the_doubt_lasts_ten_seconds(at_ns, found):
    bench = Bench()
    bench.edge(0)
    bench.standard.expect(0)
    bench.pulse(MS)
    assert brief(bench.pulse(MS + at_ns)) == [found]


def test_a_stray_pulse_is_forgotten_with_the_clock_that_stamped_it():
    bench = Bench()
    bench.edge(0)
    bench.standard.expect(0)
    bench.edge(900)
    bench.standard.forget_edges()
    assert bench.edge(1000) == [1]


def test_a_leap_second_has_its_name():
    leap = LeapSeconds()
    leap.confirmed = [LeapSecond(UTC_S, 1)]
    names = [leap.name(UTC_S + at) for at in (-1, 0, 1, 2)]
    assert names == [(UTC_S - 1, False), (UTC_S - 1, True), (UTC_S, False), (UTC_S + 1, False)]
    leap.confirmed = [LeapSecond(UTC_S, -1)]
    assert [leap.name(UTC_S + at) for at in (-2, -1, 0)] == [
        (UTC_S - 2, False), (UTC_S, False), (UTC_S + 1, False),
    ]  # fmt: skip


# ---- the whole core ------------------------------------------------------------------------------


def pulses(text: str = TEXT, **fields: Any) -> Host:
    """A host whose receiver is a standard without labels."""
    return Host(text=text, labels=False, **fields)


def test_a_standard_is_numbered_over_the_cold_dwell_and_then_fed_by_the_second():
    host = pulses()
    host.second(1900)
    assert modes(host.decisions) == [Mode.ACQUIRING, Mode.VETTED]
    assert len(host.published()) == 92  # the first eight seconds had no RTC
    assert host.worst_ns() == 0
    assert reasons(host.decisions) == {"dwell", "numbering"}


def test_the_numbering_outlives_the_witnesses_and_lies_do_not_renumber():
    host = pulses().feed()
    host.ntp_silent = host.rtc_silent = True
    host.second(3000)
    host.ntp_silent, host.ntp_ns = False, NS_PER_S
    host.second(40)
    assert host.worst_ns() == 0
    assert len(only(host.decisions[-40:], Publish)) < 40


def test_without_an_rtc_that_is_known_sharply_nothing_is_numbered():
    host = pulses(TEXT.replace("rtc_error_ms = 200", ""))
    found = host.second(2000)
    assert reasons(found) == {"numbering"}
    assert host.mode is Mode.COLD
    assert [(one.value, one.limit) for one in only(found, Withhold)][-1] == (1, 2)


@pytest.mark.parametrize("lie_ns", [NS_PER_S, -NS_PER_S, 400 * MS, -3600 * NS_PER_S])
def test_a_lying_majority_numbers_nothing(lie_ns):
    host = pulses(ntp_ns=lie_ns)
    host.second(2200)
    assert host.published() == []
    assert reasons(host.decisions) & {"numbering-conflict", "numbering-phase"}


def test_a_lying_minority_does_not_disturb_the_numbering():
    host = pulses(ntp_one_ns=NS_PER_S).feed()
    host.second(60)
    assert host.worst_ns() == 0
    assert len(host.published()) > 60


def test_a_majority_that_lies_at_the_end_of_the_dwell_restarts_it():
    host = pulses()
    host.second(1700)
    host.ntp_ns = NS_PER_S
    host.second(300)
    host.ntp_ns = 0
    host.feed()
    assert host.now_s >= 1700 + 300 + 1800
    assert host.worst_ns() == 0


def test_a_restart_has_the_pulses_numbered_anew_by_the_same_rule():
    host = pulses().feed().restarted()
    host.second(1900)
    assert modes(host.decisions) == [Mode.ACQUIRING, Mode.VETTED]
    assert host.worst_ns() == 0
    assert not reasons(host.decisions) - {"dwell", "numbering", "identity"}


def test_a_step_of_the_pulse_is_refused_and_locks():
    host = pulses().feed()
    host.shift_ns = 20 * MS
    found = host.second(1000)
    assert host.mode is Mode.LOCKED
    assert "edge-window" in reasons(found)
    assert host.worst_ns() == 0


def test_a_step_of_a_whole_second_moves_nothing_for_the_pulse_has_no_name():
    host = pulses().feed()
    host.shift_ns = NS_PER_S
    host.second(100)
    assert host.mode is Mode.VETTED
    assert host.worst_ns() == 0


def test_what_a_silent_standard_lacks_after_two_days():
    host = pulses().feed()
    host.now_s += 2 * 86_400
    assert reasons(host.second(3)) == {"numbering-lost"}


def test_before_trust_its_name_is_no_second_opinion_for_established():
    host = pulses()
    host.second(100)
    host.rtc_silent = True
    host.second(200)
    assert host.mode is Mode.COLD
    told = host.bridge.view(RAW_0 + host.now_s * NS_PER_S)
    assert told["established"] is False
    host = pulses()
    host.second(300)
    assert host.bridge.view(RAW_0 + host.now_s * NS_PER_S)["established_by"] == ["rtc", "ntp"]


def test_the_cesium_s_own_port_is_the_primary_where_there_is_no_other_pulse():
    host = pulses(CESIUM, pulse_port="cs0")
    host.second(3700)
    assert host.mode is Mode.VETTED
    assert host.worst_ns() == 0
    assert len(host.published()) == 92  # the first eight seconds had no RTC
    host.pulse_port = "pps0"
    found = host.second(20)
    assert only(found, Publish) == []
    assert modes(found) == [Mode.HOLDOVER]


def test_a_step_of_the_system_clock_voids_what_was_stamped_by_it():
    host = pulses().feed()
    host.real_ns = 2 * NS_PER_S
    assert "clock-step" in reasons(host.second())
    host.second(10)
    assert host.worst_ns() == 0


@pytest.mark.parametrize("protocol", ["pps-only", "none"])
def test_bytes_beside_a_standard_without_labels_change_nothing(protocol):
    host = Host(text=TEXT.replace("pps-only", protocol))
    host.label_s = 77
    host.feed()
    assert host.worst_ns() == 0


# ---- a second receiver ---------------------------------------------------------------------------


def companion(host: Host, seconds: int, label_s: int = 0, valid: bool = True) -> list[Any]:
    """Seconds with a second receiver's messages."""
    found = []
    for _ in range(seconds):
        at = host.now_s * NS_PER_S
        found += host.second()
        data = burst(BEGIN_S + host.now_s - 1 + label_s, valid=valid)
        host.step(SerialBytes(*host.stamp(at + 130 * MS), "num0", data))
    return found


def test_a_second_receiver_and_servers_number_where_there_is_no_rtc():
    host = pulses(
        TEXT.replace("[rtc]\n", "").replace("rtc_error_ms = 200\n", "") + COMPANION, rtc_silent=True
    )
    companion(host, 1900)
    assert host.mode is Mode.VETTED
    assert host.worst_ns() == 0
    rows = {row["name"]: row["state"] for row in host.bridge.view(RAW_0 + host.now_s * NS_PER_S)["witnesses"]}  # type: ignore[attr-defined]
    assert rows["receiver2"] == "agrees"


def test_a_second_receiver_that_is_a_second_late_is_believed_by_nobody():
    host = pulses(TEXT + COMPANION)
    found = companion(host, 2000, label_s=-1)
    assert only(found, Publish) == []
    assert "numbering-conflict" in reasons(found)


def test_a_second_receiver_that_goes_astray_later_is_a_witness_lost_and_no_more():
    host = pulses(TEXT.replace("[limits]", COMPANION + "[limits]\nwitnesses = 3"))
    companion(host, 1900)
    assert host.mode is Mode.VETTED
    assert modes(companion(host, 10, label_s=1)) == [Mode.DEGRADED]
    assert host.bridge.diary.mode_reason == "2 of 3 witnesses needed agree: the second receiver disagrees"
    assert host.worst_ns() == 0
    assert only(host.decisions, Accuse) == []


def speak(receiver: Companion, line: Line, at_ms: int, label_s: int, **change: Any) -> None:
    """One burst of a second receiver's into its room."""
    leap = LeapSeconds()
    leap.confirmed = [LeapSecond(UTC_S + 1000, 1)]
    event = SerialBytes(at_ms * MS, 0, 3, "num0", burst(UTC_S + label_s, **change))
    for report, arrival in line.feed(event):
        receiver.hear(report, arrival.raw_ns, arrival.unc_ns, leap)


def test_what_a_second_receiver_says_ages_and_must_be_vouched_for():
    settings = parse_policy(PULSE + COMPANION).companion
    receiver, line = Companion(settings, LIMITS), Line("nmea")
    assert receiver.interval(0, SURE) is None
    assert receiver.age_ns(0) is None
    speak(receiver, line, 120, 0)
    half = 50 * MS + 3
    assert receiver.interval(0, SURE) == Interval(UTC_S * NS_PER_S - half - 1, UTC_S * NS_PER_S + half + 1, 0)
    assert receiver.age_ns(NS_PER_S) == 880 * MS
    assert receiver.interval(5 * NS_PER_S, SURE) is None
    speak(receiver, line, 1120, 1, valid=False)
    assert receiver.interval(NS_PER_S, SURE) is None
    speak(receiver, line, 2120, 2, utc=False)
    assert receiver.interval(2 * NS_PER_S, SURE) is None
    receiver.forget_raw()
    for strange in (
        {"label_edge": "next"},
        {"timescale": "gps"},
        {"timescale": "unstated"},
        {"yearless": True},
    ):
        label = Label("nmea", "RMC", 0, 1, UTC_S + 3, valid=True, **strange)
        receiver.hear(label, 3120 * MS, 3, LeapSeconds())
        assert receiver.interval(3 * NS_PER_S, SURE) is None
    speak(receiver, line, 3120, 3)
    assert receiver.interval(3 * NS_PER_S, SURE) is not None
    speak(receiver, line, 4120, 999)
    assert receiver.interval(4 * NS_PER_S, SURE) is None


def test_a_message_behind_the_first_of_a_burst_does_not_move_it():
    receiver, line = Companion(parse_policy(PULSE + COMPANION).companion, LIMITS), Line("nmea")
    speak(receiver, line, 120, 0)
    speak(receiver, line, 300, 0)
    said = receiver.interval(120 * MS, SURE)
    assert said is not None
    assert (said.lo_ns + said.hi_ns) // 2 == UTC_S * NS_PER_S + 120 * MS


# ---- what people are told of it -------------------------------------------------------------------


def test_check_looks_at_its_pulse_and_at_the_second_receiver(tmp_path):
    from refclock.cli.findings import examine

    missing = tmp_path / "nothing"
    text = CESIUM + f'[companion]\ndevice = "{missing}"\n'
    text = text.replace("[cesium]", f'[cesium]\ndevice = "emulated:{tmp_path}/pulse"')
    found = {one.what: one for one in examine(parse_policy(text), "conf")}
    assert found["receiver"].found == "a standard without labels: the witnesses number its pulses"
    assert "emulated pulse" in found["pulse"].found
    assert "no such device" in found["second receiver"].found


def test_the_ports_of_a_standard_are_in_the_capture_s_header():
    from refclock.runtime.header import port_table

    ports = port_table(parse_policy(CESIUM + COMPANION))
    assert ports["num0"]["protocol"] == "nmea"
    assert "cs0" in ports
    assert "gps0" not in ports


def test_after_a_lock_an_operator_has_it_numbered_anew():
    host = pulses().feed()
    host.shift_ns = 20 * MS
    host.second(1000)
    host.shift_ns = 0
    assert reasons(host.second(20)) == {"locked"}
    host.command("rearm", reason="the pulse was synchronised by hand")
    host.second(1900)
    assert host.mode is Mode.VETTED
    assert host.worst_ns() == 0
