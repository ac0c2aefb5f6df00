"""What the world knows from incidents: each deed does to the bytes what its name says, and no more."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from refclock.units import GPS_EPOCH_S, NS_PER_S, NS_PER_US, S_PER_WEEK
from refclock.wire.report import Health, Label
from refclock.wire.scanner import Scanner
from refclock.world import World, WorldArguments
from refclock.world.attack import Answer
from refclock.world.attacks import parse_attack
from refclock.world.chance import Chance
from refclock.world.labels import gps_leap_s
from refclock.world.receiver import Receiver

START_S = 1_803_859_200  # 2027-03-01T00:00:00Z


def heard(personality, *attacks, seconds=40, start_s=START_S, **options):
    """Per second: the receiver's edges, its reports, and its bytes."""
    parsed = [parse_attack(text, start_s * NS_PER_S, seconds * NS_PER_S, 1) for text in attacks]
    receiver = Receiver(personality, Chance(1, "receiver"), parsed, start_s=start_s, **options)
    scanner = Scanner()
    found = []
    for second in range(start_s, start_s + seconds):
        emission = receiver.second(second)
        data = b"".join(chunk for _, chunk in emission.chunks)
        found.append((emission.edges, scanner.feed(data), data))
    return found


def labels(reports):
    return [report for report in reports if isinstance(report, Label)]


@pytest.mark.parametrize(
    ("date", "leap_s"),
    [
        ("1999-08-22", 13),
        ("2005-12-31", 13),
        ("2006-01-01", 14),
        ("2012-07-01", 16),
        ("2016-12-31", 17),
        ("2017-01-01", 18),
    ],
)
def test_a_world_has_the_leap_count_of_its_day(date, leap_s):
    at_s = int(datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp())
    assert gps_leap_s(at_s) == leap_s
    found = heard("nmea", start_s=at_s + 1, seconds=3)
    told = {label.leap_s for _, reports, _ in found for label in labels(reports)}
    assert told - {None} == {leap_s}


def test_a_leap_second_that_history_had_is_counted_once():
    at_s = 1_483_228_800  # 2017-01-01T00:00:00Z, right after 2016-12-31T23:59:60Z
    told = [
        label.leap_s
        for _, reports, _ in heard("nmea", start_s=at_s - 10, seconds=20, leap_at_s=at_s)
        for label in labels(reports)
        if label.message == "PUBX,04"
    ]
    assert told == [17] * 10 + [18] * 10


def test_a_receiver_that_knows_no_60_says_59_twice():
    at_s = START_S
    for attacks, sixties in (((), 1), (("leap-59@0",), 0)):
        seen = [
            label
            for _, reports, _ in heard("nmea", *attacks, start_s=at_s - 10, leap_at_s=at_s, seconds=20)
            for label in labels(reports)
            if label.message == "RMC"
        ]
        assert sum(label.second60 for label in seen) == sixties
        assert [label.utc_s for label in seen[9:12]] == [at_s - 1, at_s - 1, at_s]


def test_a_toggling_correction_moves_pulse_and_label_together():
    found = heard("nmea", "toggle:+13700ns,5s@10s", seconds=30)
    off = [round(edges[0] / NS_PER_US) for edges, _, _ in found]
    assert [abs(value + 14) <= 1 for value in off] == [False] * 10 + ([True] * 5 + [False] * 5) * 2
    assert all(
        label.utc_s == START_S + n for n, (_, reports, _) in enumerate(found) for label in labels(reports)
    )


def test_a_garbled_second_has_no_label_and_its_neighbours_theirs():
    found = heard("nmea", "garble@10s", seconds=20)
    assert [len(labels(reports)) for _, reports, _ in found] == [3] * 10 + [0] + [3] * 9
    assert b"$GNRMC,622815.00,A," in found[10][2]
    assert b"020327" in found[10][2]


def test_gps_week_speaks_alone_and_flips():
    found = heard("ubx", "gps-week:+0@0", "gps-week:-1@10s+1s", seconds=20)
    weeks = []
    for number, (_, reports, _) in enumerate(found):
        (label,) = labels(reports)
        assert label.message == "NAV-TIMEGPS"
        assert (label.valid, label.utc_valid, label.leap_s) == (True, True, 18)
        near_s = label.utc_s + (label.frac_ns > NS_PER_S // 2)
        assert (near_s - START_S - number) % S_PER_WEEK == 0
        weeks.append((near_s - GPS_EPOCH_S) // S_PER_WEEK)
    assert weeks[9] == weeks[11] == weeks[10] + 1
    assert {report.fix for _, reports, _ in found for report in reports if isinstance(report, Health)} == {
        True
    }


def test_without_a_fix_pulses_and_labels_go_on_and_are_denied():
    found = heard("nmea", "no-fix@10s+5s", seconds=20)
    assert all(len(edges) == 1 for edges, _, _ in found)
    valid = [[label.valid for label in labels(reports) if label.message == "RMC"] for _, reports, _ in found]
    assert valid == [[True]] * 10 + [[False]] * 5 + [[True]] * 5


def test_late_pulses_leave_the_messages_where_they_were():
    honest, late = heard("nmea"), heard("nmea", "pps-late:+25ms@0")
    assert [data for _, _, data in honest] == [data for _, _, data in late]
    assert {after[0][0] - before[0][0] for before, after in zip(honest, late, strict=True)} == {25_000_000}


def _anywhere(report):
    return replace(report, position=None) if isinstance(report, Health) else report


def test_another_position_changes_nothing_else():
    here, there = heard("mixed"), heard("mixed", "position:+65000@0")
    assert b",4812.49800,N," in here[0][2]
    assert b",4847.59800,N," in there[0][2]
    for before, after in zip(here, there, strict=True):
        assert before[0] == after[0]
        assert [_anywhere(one) for one in before[1]] == [_anywhere(one) for one in after[1]]


def test_one_named_server_lies():
    attack = parse_attack("ntp-server:2,-378691200.312s@0", 0, 10**12, 1)
    answers = [Answer(server, 4, 10**11) for server in range(4)]
    for answer in answers:
        attack.answer(answer)
    assert [answer.shift_ns for answer in answers] == [0, -378_691_200_312_000_000, 0, 0]


def test_two_reboots_leave_each_reading_one_truth():
    attacks = ("reboot:45s@1m", "reboot:45s@3m")
    world = World(WorldArguments(duration_ns=300 * NS_PER_S, attacks=attacks))
    truth = world.header()["truth"]
    assert isinstance(truth, dict)
    knots = truth["utc_at_raw"]
    raws = [raw for raw, _ in knots]
    assert raws == sorted(set(raws))
    ran = [event.raw_ns for event in world.events()]
    falls = [after for before, after in pairwise(ran) if after < before - NS_PER_S]
    assert len(falls) == 2
    assert falls[1] < falls[0]
