"""The core's door: which event goes where, whose ports are heard, and what is decided of it."""

from typing import Any

import pytest

from refclock.core.bridge import Bridge
from refclock.model import (
    Command,
    Decision,
    Mode,
    ModeChange,
    PortChange,
    PpsEdge,
    Publish,
    Request,
    RtcTick,
    SerialBytes,
    SerialSent,
    SystemClock,
    Tick,
    Withhold,
)
from refclock.policy import parse_policy
from refclock.units import NS_PER_MS, NS_PER_S
from refclock.wire.ubxconfig import frame
from tests.unit.test_core_host import BEGIN_S, BUILD_S, KDC, Host, burst, only
from tests.unit.test_core_polled import HP, PRS10
from tests.unit.test_core_standard import COMPANION, TEXT
from tests.unit.test_foreign import SIRF
from tests.unit.test_ubx import TIMELS, timels

AT = 10**13
MS = NS_PER_MS
UTC = BEGIN_S * NS_PER_S
NO_PPS = KDC.replace('[pps]\ndevice = "/dev/pps0"\n', "")
CESIUM = KDC.replace("[rtc]", '[cesium]\nedge = "clear"\n[rtc]') + "[limits]\nrtc_error_ms = 200\n"
CONFIGURED = KDC + '[receiver]\nprotocol = "ubx"\nconfigure = true\n'
PRIMARY = 'profile = "kdc-cesium"\n[receiver]\nprotocol = "none"\n[cesium]\nedge = "clear"\n'


class Door:
    """A bridge that events come to in milliseconds after ``AT``; true time is ``BEGIN_S`` then."""

    def __init__(self, text: str = KDC, **more: Any) -> None:
        self.bridge = Bridge(parse_policy(text), BUILD_S, **more)
        self.number = 0

    def stamp(self, at_ms: int, unc_ns: int = 100) -> tuple[int, int, int]:
        """RAW, REALTIME and the width of a stamp."""
        return AT + at_ms * MS, UTC + at_ms * MS, unc_ns

    def tick(self, at_ms: int) -> list[Decision]:
        """Time passes."""
        return self.bridge.step(Tick(*self.stamp(at_ms)))

    def set_clock(self, at_ms: int) -> list[Decision]:
        """Somebody sets the system clock a second ahead."""
        raw, real, unc = self.stamp(at_ms)
        return self.bridge.step(Tick(raw, real + NS_PER_S, unc))

    def hear(self, at_ms: int, data: bytes, port: str = "gps0") -> list[Decision]:
        """Bytes on a port."""
        return self.bridge.step(SerialBytes(*self.stamp(at_ms), port, data))

    def edge(self, at_ms: int, port: str = "pps0", kind: str = "assert", age_ns: int = 0) -> list[Decision]:
        """A pulse that is fetched at once, or after a while."""
        self.number += 1
        raw, real, unc = self.stamp(at_ms)
        return self.bridge.step(PpsEdge(raw, real, unc, port, kind, self.number, real - age_ns))

    def say(self, at_ms: int, label_s: int, port: str = "gps0") -> list[Decision]:
        """What a receiver says of a second."""
        return self.hear(at_ms, burst(BEGIN_S + label_s), port)

    def second(self, at_s: int, pulse: str = "pps0", line: str = "gps0", kind: str = "assert") -> list[str]:
        """A pulse and its label 100 ms later; the reasons that came up."""
        found = self.edge(at_s * 1000, pulse, kind) + self.say(at_s * 1000 + 100, at_s, line)
        return [one.reason for one in found if isinstance(one, Withhold)]


def withheld(found: list[Decision]) -> list[str]:
    """The reasons of what was refused, in order."""
    return [one.reason for one in only(found, Withhold)]


# ---- ports -----------------------------------------------------------------------------------


def test_the_first_port_of_each_kind_is_the_receiver_s_and_no_other_is_heard():
    door = Door()
    assert door.second(0) == ["dwell"]
    assert door.second(1, pulse="pps1") == ["no-edge"]
    assert door.second(2, line="gps1") == []
    assert door.second(3) == ["no-label", "dwell"]


@pytest.mark.parametrize(("kind", "heard"), [("assert", False), ("clear", True)])
def test_which_edge_of_the_pulse_counts_is_the_operator_s_word(kind, heard):
    door = Door(KDC.replace('device = "/dev/pps0"', 'device = "/dev/pps0"\nedge = "clear"'))
    assert door.second(0, kind=kind) == (["dwell"] if heard else ["no-edge"])


def test_without_one_in_the_configuration_it_is_the_rising_one():
    assert Door(NO_PPS, has_pps=True).second(0) == ["dwell"]
    assert Door(NO_PPS, has_pps=True).second(0, kind="clear") == ["no-edge"]


def test_without_a_pulse_a_message_stands_for_it_until_one_comes_after_all():
    door = Door(NO_PPS)
    assert [one.reason for one in only(door.say(100, 0), Withhold)] == ["dwell"]
    assert door.second(1) == ["edge-window"]  # it was the message's arrival that continued
    found = door.say(2100, 2)
    assert [one.reason for one in only(found, Withhold)] == ["no-edge"]
    assert [one.reason for one in only(Door(NO_PPS, has_pps=True).say(100, 0), Withhold)] == ["no-edge"]


def test_a_cesium_s_pulse_is_no_receiver_s_and_has_an_edge_of_its_own():
    door = Door('profile = "kdc-cesium"\n' + CESIUM.replace("rtc_error_ms = 200\n", ""))
    cesium = door.bridge.vetting.witnesses.cesium
    assert cesium is not None
    assert door.edge(0, "cs0", "assert") == []
    assert cesium.age_ns(AT) is None
    assert door.edge(0, "cs0", "clear") == []
    assert cesium.age_ns(AT) == 0
    assert [one.reason for one in only(door.say(100, 0), Withhold)] == ["no-edge"]
    assert door.second(1) == ["dwell"]


def test_a_cesium_that_is_the_receiver_is_heard_on_its_own_port_only():
    door = Door(PRIMARY)
    assert door.edge(0, "pps0", "clear") == []
    assert door.edge(1000, "cs0", "assert") == []
    found = only(door.edge(2000, "cs0", "clear"), Withhold)
    assert [one.reason for one in found] == ["numbering"]
    # Elsewhere a pulse on that port is one like any other.
    assert [one.reason for one in only(Door().edge(0, "cs0"), Withhold)] == []


def test_a_cesium_of_which_nothing_is_configured_gives_rising_edges():
    door = Door('profile = "kdc-cesium"\n' + KDC)
    cesium = door.bridge.vetting.witnesses.cesium
    assert cesium is not None
    door.edge(0, "cs0", "clear")
    assert cesium.age_ns(AT) is None
    door.edge(0, "cs0", "assert")
    assert cesium.age_ns(AT) == 0


def test_a_companion_is_heard_on_its_own_port_and_nobody_else_there():
    door = Door(PRS10 + COMPANION)
    companion = door.bridge.vetting.witnesses.companion
    assert withheld(door.say(100, 0, "gps0")) == []
    assert companion.age_ns(AT + 100 * MS) is None
    assert withheld(door.say(200, 0, "num0")) == []
    assert companion.age_ns(AT + 200 * MS) == 0
    # Without one in the configuration that port is a receiver's like any other.
    assert Door().second(0, line="num0") == ["dwell"]


def test_a_standard_without_a_line_is_deaf_to_what_comes_on_one():
    assert Door(TEXT).say(100, 0) == []


@pytest.mark.parametrize(("port", "chronyd"), [("chronyd0", False), ("gps0", None)])
def test_whether_a_chronyd_is_there_is_told_by_its_own_port_only(port, chronyd):
    door = Door()
    door.bridge.step(PortChange(*door.stamp(0), port, False, ""))
    assert door.bridge.effect.fields(AT)["chronyd"] is chronyd


# ---- pulses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unc_ns", "age_ns", "expected"),
    [
        (20_000, 0, []),
        (20_001, 0, [("stamp-uncertain", 20_001, 20_000)]),
        (100, 2 * NS_PER_S, []),
        (100, 2 * NS_PER_S + 1, [("edge-stale", 2 * NS_PER_S + 1, 2 * NS_PER_S)]),
        (100, -1, [("edge-stale", -1, 2 * NS_PER_S)]),
    ],
)
def test_a_stamp_places_a_pulse_only_if_it_is_sharp_and_not_old(unc_ns, age_ns, expected):
    door = Door()
    raw, real, _ = door.stamp(0)
    found = door.bridge.step(PpsEdge(raw, real, unc_ns, "pps0", "assert", 1, real - age_ns))
    told = [(one.reason, one.value, one.limit) for one in only(found, Withhold)]
    assert told == expected


@pytest.mark.parametrize(("age_ms", "heard"), [(0, True), (10, False)])
def test_a_pulse_that_was_stamped_before_the_clock_s_step_is_passed_over(age_ms, heard):
    door = Door()
    door.tick(0)
    raw, real, unc = door.stamp(1000)
    (told, *_) = door.bridge.step(Tick(raw, real + 5 * NS_PER_S, unc))
    assert isinstance(told, Withhold)
    assert (told.reason, told.value, told.limit) == ("clock-step", 5 * NS_PER_S, 0)
    at_ns = real + 5 * NS_PER_S - age_ms * MS
    assert door.bridge.step(PpsEdge(raw, real + 5 * NS_PER_S, unc, "pps0", "assert", 1, at_ns)) == []
    data = burst(BEGIN_S + 1)
    found = door.bridge.step(SerialBytes(raw + 100 * MS, real + 5 * NS_PER_S + 100 * MS, unc, "gps0", data))
    assert [one.reason for one in only(found, Withhold)] == (["dwell"] if heard else ["no-edge"])


def test_pulses_from_before_a_step_are_forgotten_with_it_and_chrony_s_reports_as_well():
    door = Door()
    door.edge(0)
    raw, real, unc = door.stamp(50)
    door.bridge.step(Tick(raw, real + NS_PER_S, unc))
    assert door.bridge.vetting.witnesses.further.chrony.stepped_ns == raw
    data = burst(BEGIN_S)
    found = door.bridge.step(SerialBytes(raw + 50 * MS, real + NS_PER_S + 50 * MS, unc, "gps0", data))
    assert [one.reason for one in only(found, Withhold)] == ["no-edge"]


@pytest.mark.parametrize(
    ("stepped", "reasons"), [(False, ["edge-window", "numbering"]), (True, ["numbering"])]
)
def test_a_standard_s_stray_pulse_is_told_by_the_next_one_unless_the_clock_was_set_between(stepped, reasons):
    door = Door(TEXT)
    door.bridge.vetting.grid_ns = AT
    assert withheld(door.edge(0)) == ["numbering"]
    assert door.edge(1400) == []
    raw, real, unc = door.stamp(3000)
    if stepped:
        assert withheld(door.set_clock(1500)) == ["clock-step"]
        real += NS_PER_S
    found = door.bridge.step(PpsEdge(raw, real, unc, "pps0", "assert", 3, real))
    assert withheld(found) == reasons


def test_a_clock_that_was_set_by_less_than_a_slew_may_move_it_is_told_by_the_kernel_s_count():
    door = Door()
    assert identity(door, 0, clock_sets=0) == []
    raw, real, unc = door.stamp(500)
    look = SystemClock(raw, real + 3 * MS, unc, 0, 10_000, 64, 0, 37, "tsc", "boot", 0, 1)
    assert [(one.reason, one.value) for one in only(door.bridge.step(look), Withhold)] == [
        ("clock-step", 3 * MS)
    ]


def test_a_pulse_that_shows_that_there_are_pulses_is_the_first_that_is_counted():
    door = Door(NO_PPS)
    door.edge(0)
    door.number += 3
    door.edge(4000)
    assert door.bridge.pairing.missed_edges == 3


def test_a_tick_of_the_battery_clock_is_seen_later_than_it_came_and_steps_nothing():
    door = Door()
    door.tick(1000)
    raw, real, unc = door.stamp(500)
    assert door.bridge.step(RtcTick(raw, real + NS_PER_S, unc, "rtc0", BEGIN_S)) == []
    assert door.tick(1001) == []


# ---- what the receiver says ------------------------------------------------------------------------


def test_messages_that_are_not_read_for_time_are_told():
    door = Door(KDC + '[receiver]\nprotocol = "sirf"\n')
    found = door.bridge.step(SerialBytes(*door.stamp(0), "gps0", SIRF))
    assert [one.reason for one in only(found, Withhold)] == ["not-read"]


def test_what_is_not_read_takes_nothing_back_of_what_was_heard_with_it():
    door = Door()
    door.edge(0)
    assert withheld(door.hear(100, burst(BEGIN_S) + SIRF)) == ["dwell"]


def test_all_that_one_message_decides_is_told():
    door = Door()
    door.second(0)
    for at_ms in (1000, 1300, 1450):
        door.edge(at_ms)
    assert withheld(door.say(1500, 1))[:2] == ["edge-extra", "edge-extra"]


def test_a_leap_second_is_announced_by_the_receiver_and_no_word_of_time():
    door = Door(KDC + '[receiver]\nprotocol = "ubx"\n')
    assert door.hear(0, frame(TIMELS, timels(change=1, week=1929, day=7))) == []
    told = door.bridge.vetting.witnesses.leap.announced
    assert told is not None
    assert (told.at_s, told.change) == (1_483_228_800, 1)


def test_a_day_that_neither_this_year_nor_the_next_has_is_refused_by_its_number():
    door = Door(KDC + '[receiver]\nprotocol = "truetime"\ntimescale = "utc"\n')
    (told,) = only(door.hear(100, b"\x01366:12:00:00 \r\n"), Withhold)
    assert (told.raw_ns, told.reason, told.value, told.limit) == (AT + 100 * MS, "year-unknown", 366, 365)


@pytest.mark.parametrize(("utc", "needed_s"), [(True, 120), (None, 1800)])
def test_only_a_receiver_that_has_its_leap_count_from_the_satellites_is_believed_soon(utc, needed_s):
    told = only(Host(utc=utc).second(40), Withhold)[-1]
    assert (told.reason, told.limit) == ("dwell", needed_s * NS_PER_S)


@pytest.mark.parametrize(
    ("mode", "settles"),
    [(Mode.COLD, True), (Mode.ACQUIRING, True), (Mode.VETTED, False), (Mode.LOCKED, False)],
)
def test_an_antenna_s_place_is_where_it_is_until_it_is_trusted(mode, settles):
    door = Door()
    place = door.bridge.health.place
    place.hear((0, 0), AT)
    place.settle()
    place.hear((10_000_000, 0), AT)
    door.bridge.vetting.mode = mode
    door.edge(0)
    assert (place.astray_m(AT) == 0) is settles


# ---- what is asked -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("answer", "locked"), [(b"1\r", True), (b"0\r", False)])
def test_an_answer_is_heard_in_the_light_of_its_question(answer, locked):
    door = Door(PRS10)
    (asked,) = only(door.tick(0), Request)
    assert asked.data.endswith(b"LO?\r")
    door.bridge.step(SerialSent(*door.stamp(1), "gps0", asked.data))
    door.hear(10, answer)
    assert door.bridge.health.locked(AT + 10 * MS) is locked


def test_questions_that_have_a_phase_are_asked_that_long_after_a_pulse():
    door = Door(HP)
    door.edge(400)
    asked = [(at_ms, one.data) for at_ms in range(410, 6000, 10) for one in only(door.tick(at_ms), Request)]
    coded = [at_ms % 1000 for at_ms, data in asked if b"TCODE" in data]
    assert len(coded) > 2
    assert set(coded) == {550}


@pytest.mark.parametrize("text", [HP, CONFIGURED])
def test_a_question_is_asked_beside_all_else_that_is_decided(text):
    door = Door(text)
    door.bridge.step(PortChange(*door.stamp(0), "gps0", False, ""))
    door.bridge.step(PortChange(*door.stamp(1), "gps0", True, ""))
    found = door.set_clock(1001)
    assert [type(one) for one in found] == [Withhold, Request]


def test_what_is_refused_before_the_system_clock_was_seen_has_no_time_of_it():
    door = Door(CONFIGURED)
    for at_s in range(0, 20, 2):
        raw, real, unc = door.stamp(at_s * 1000)
        door.bridge.step(RtcTick(raw, real, unc, "rtc0", BEGIN_S + at_s))
    (group,) = door.bridge.diary.refusals.fields()
    assert (group["reason"], group["first_real_ns"]) == ("configure-silent", 0)


# ---- the counter -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("back_ns", "anew"), [(NS_PER_S, False), (NS_PER_S + 1, True)])
def test_events_may_be_a_second_out_of_order_and_no_more(back_ns, anew):
    door = Door()
    door.second(0)
    raw, real, unc = door.stamp(5000)
    door.bridge.step(Tick(raw, real, unc))
    door.bridge.vetting.mode = Mode.VETTED
    found = door.bridge.step(Tick(raw - back_ns, real - back_ns, unc))
    changes = [(one.after, one.reason) for one in only(found, ModeChange)]
    assert changes == ([(Mode.ACQUIRING, "the raw counter went backwards")] if anew else [])
    assert (door.bridge.health.valid(AT + 100 * MS) is None) is anew
    assert door.bridge.step(Tick(raw - NS_PER_S, real - NS_PER_S, unc)) == []


def test_a_counter_that_began_anew_goes_on_from_there():
    door = Door()
    door.tick(9000)
    door.tick(0)
    assert door.bridge.effect.wake_at() == AT + NS_PER_S
    door.bridge.vetting.mode = Mode.VETTED
    assert only(door.tick(100), ModeChange) == []


def test_silence_ends_a_dwell_by_the_passing_of_time_alone():
    door = Door()
    door.second(0)
    at_ms = door.bridge.policy.limits.missing_after_ns // MS
    assert door.tick(at_ms - 1) == []
    assert [(one.after, one.reason) for one in only(door.tick(at_ms), ModeChange)] == [(Mode.COLD, "silence")]


def identity(door: Door, at_ms: int, **change: Any) -> list[Decision]:
    """A look at the kernel's clock."""
    fields: dict[str, Any] = {"clocksource": "tsc", "boot_id": "boot", "suspended_ms": 0} | change
    return door.bridge.step(SystemClock(*door.stamp(at_ms), 0, 10_000, 64, 0, 37, **fields))


@pytest.mark.parametrize(
    ("change", "reason", "enrolled"),
    [
        ({}, None, True),
        ({"boot_id": "other"}, "boot_id changed", True),
        ({"clocksource": "hpet"}, "clocksource changed", False),
        ({"suspended_ms": 60}, "the machine was suspended for 60 ms", True),
    ],
)
def test_another_counter_begins_trust_anew_and_another_clocksource_voids_its_rate(change, reason, enrolled):
    door = Door()
    door.bridge.step(Command(*door.stamp(0), "restore", {"raw_rate_ppt": 0, "raw_rate_unc_ppt": 0}))
    identity(door, 0)
    door.bridge.vetting.mode = Mode.VETTED
    changes = [one.reason for one in only(identity(door, 1000, **change), ModeChange)]
    assert changes == ([] if reason is None else [reason])
    assert door.bridge.vetting.witnesses.rate.enrolled is enrolled
    assert only(identity(door, 2000, **change), ModeChange) == []


def test_the_first_look_at_the_kernel_s_clock_changes_nothing():
    door = Door()
    door.bridge.vetting.mode = Mode.VETTED
    assert identity(door, 0) == []


def test_another_counter_takes_nothing_back_of_what_was_found_with_it():
    door = Door()
    identity(door, 0)
    door.bridge.step(RtcTick(*door.stamp(100), "rtc0", BEGIN_S))
    door.bridge.vetting.mode = Mode.VETTED
    found = door.bridge.step(SystemClock(*door.stamp(200), 0, 10_000, 0, 0, 37, "tsc", "other"))
    assert withheld(found) == ["rtc-follows-system"]
    assert [one.reason for one in only(found, ModeChange)] == ["boot_id changed"]


def test_a_memory_waits_for_the_counter_s_identity_and_is_kept_until_then():
    host = Host().feed()
    kept = host.bridge.memory()
    door = Door()
    door.bridge.step(Command(*door.stamp(0), "restore", kept))
    assert door.bridge.vetting.unidentified
    assert door.bridge.memory()["judge"] == kept["judge"]
    identity(door, 100, suspended_ms=None)
    assert not door.bridge.vetting.unidentified
    assert door.bridge.vetting.judge is not None
    door.bridge.vetting.judge = None
    assert "judge" not in door.bridge.memory()
    assert door.bridge.memory()["boot_id"] == "boot"


# ---- commands ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("antenna replaced", "antenna replaced"),
        (" two\nlines\x1b[2J ", "two lines [2J"),
        ("x" * 201, "x" * 200),
        (None, "no reason given"),
        ("", "no reason given"),
        ("\n", "no reason given"),
        (7, "7"),
    ],
)
def test_a_rearm_says_the_operator_s_words_in_one_line(reason, words):
    door = Door()
    door.bridge.vetting.mode = Mode.LOCKED
    found = door.bridge.step(Command(*door.stamp(0), "rearm", {} if reason is None else {"reason": reason}))
    assert [one.reason for one in only(found, ModeChange)] == [f"rearmed: {words}"]


def test_a_command_that_nobody_knows_does_nothing():
    door, month = Door(), 1_806_537_600
    table = {"expires_s": month + 1, "steps": [[BUILD_S, 37], [month, 38]]}
    assert door.bridge.step(Command(*door.stamp(0), "dance", {"reason": "joy"} | table)) == []
    leap = door.bridge.vetting.witnesses.leap
    leap.confirm(BEGIN_S + 86_400, 0, 0, 3)
    assert leap.confirmed == []


def test_a_leap_table_is_loaded_as_far_as_it_is_one():
    door, month = Door(), 1_806_537_600
    leap = door.bridge.vetting.witnesses.leap
    whole: list[Any] = [[BUILD_S, 37], "x", [month, 38], [5], [month, True]]
    door.bridge.step(Command(*door.stamp(0), "leap-table", {"expires_s": month + 1, "steps": whole}))
    leap.confirm(BEGIN_S + 86_400, 0, 0, 3)
    assert [(one.at_s, one.change) for one in leap.confirmed] == [(month, 1)]
    for other in ({"expires_s": "1", "steps": []}, {"expires_s": 1, "steps": 5}):
        door.bridge.step(Command(*door.stamp(0), "leap-table", other))
        assert leap.inserted_after(month - 1)


# ---- what is decided ---------------------------------------------------------------------------------


def test_a_refusal_becomes_a_decision_with_its_second_and_its_mask_and_is_entered_in_the_diary():
    host = Host().feed()
    host.shift_ns = 3 * MS
    (one,) = only(host.second(), Withhold)
    assert (one.reason, one.mask) == ("drift-mask", 1)
    assert one.utc_ns == (BEGIN_S + host.now_s - 1) * NS_PER_S
    assert host.bridge.diary.last_withhold is one
    (group,) = [one for one in host.bridge.diary.refusals.fields() if one["reason"] == "drift-mask"]
    assert group["first_real_ns"] == host.bridge.system_ns(one.raw_ns)
    assert [row["name"] for row in group["witnesses"]] == ["ntp", *(f"ntp:{x}:123" for x in "abcd"), "rtc"]  # type: ignore[attr-defined]
    host.shift_ns = 0
    found = host.second()
    assert host.bridge.diary.last_publish is only(found, Publish)[0]


def test_the_view_counts_pulses_that_were_too_many_and_too_few():
    door = Door()
    door.second(0)
    door.edge(1000)
    door.edge(1450)
    door.say(1500, 1)
    door.number += 3
    door.edge(2000)
    counters = door.bridge.view(AT + 2 * NS_PER_S)["counters"]
    assert isinstance(counters, dict)
    assert (counters["extra_edges"], counters["missed_edges"]) == (1, 3)
    assert counters["dwell"] == 1


def test_the_view_counts_a_standard_s_pulses_as_well():
    door = Door(TEXT)
    door.edge(0)
    door.number += 2
    door.edge(3000)
    counters = door.bridge.view(AT + 3 * NS_PER_S)["counters"]
    assert isinstance(counters, dict)
    assert (counters["extra_edges"], counters["missed_edges"]) == (0, 2)


def test_it_is_to_be_woken_for_whatever_is_due_first():
    door = Door()
    assert door.bridge.wake_at() is None
    door.tick(0)
    assert door.bridge.wake_at() == door.bridge.effect.wake_at()
    door.second(0)
    deadline = door.bridge.vetting.deadline_ns()
    assert deadline is not None
    system = door.bridge.effect.wake_at()
    assert system is not None
    assert door.bridge.wake_at() == min(deadline, system)
    asked = Door(CONFIGURED)
    assert asked.bridge.wake_at() == NS_PER_S
    asked.bridge.step(PortChange(*asked.stamp(0), "gps0", True, ""))
    assert asked.bridge.wake_at() == AT + NS_PER_S
