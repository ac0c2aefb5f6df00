"""The world's receiver: legal bytes, honest pulses, and each attack doing what its name says."""

import io
from collections import deque

import pynmeagps
import pytest
import pyubx2

from refclock.errors import ConfigError
from refclock.units import NS_PER_MS, NS_PER_S, NS_PER_US, S_PER_WEEK
from refclock.wire.report import Health, Label, LeapInfo
from refclock.wire.scanner import Scanner
from refclock.world.attack import Answer
from refclock.world.attacks import DEEDS, attack_table, parse_attack
from refclock.world.chance import Chance
from refclock.world.deeds import month_end
from refclock.world.receiver import Receiver
from refclock.world.voices.table import VOICES

START_S = 1_803_859_200
# What holds of every voice is in test_world_families.py.
PERSONALITY = ("nmea", "ubx", "mixed")


class Heard:
    """What came out of a receiver: edges in true ns, and reports with when their second's bytes began."""

    def __init__(self, personality, *attacks, seconds=60, **options):
        parsed = [parse_attack(text, START_S * NS_PER_S, seconds * NS_PER_S, 1) for text in attacks]
        receiver = Receiver(personality, Chance(1, "receiver"), parsed, start_s=START_S, **options)
        scanner = Scanner(VOICES[personality].protocol)
        self.edges, self.chunks, self.reports = [], [], []
        for second in range(START_S, START_S + seconds):
            emission = receiver.second(second)
            self.edges += [second * NS_PER_S + edge for edge in emission.edges]
            for at_ns, data in emission.chunks:
                self.chunks.append((second * NS_PER_S + at_ns, data))
                self.reports += [(second, report) for report in scanner.feed(data)]
        self.counters = scanner.counters

    def labels(self, *messages):
        return [
            (second, label.utc_s + (label.frac_ns > NS_PER_S // 2))
            for second, label in self.reports
            if isinstance(label, Label) and label.message in messages
        ]

    def label_errors(self, *messages):
        return [label - second for second, label in self.labels(*(messages or ("RMC", "NAV-TIMEUTC")))]

    def edge_errors(self):
        return [(edge + NS_PER_S // 2) % NS_PER_S - NS_PER_S // 2 for edge in self.edges]

    def all(self, kind):
        return [report for _, report in self.reports if isinstance(report, kind)]


@pytest.mark.parametrize("personality", PERSONALITY)
def test_an_honest_receiver_is_right(personality):
    heard = Heard(personality, seconds=100)
    assert len(heard.edges) == 100
    assert max(map(abs, heard.edge_errors())) <= 11
    assert set(heard.label_errors()) == {0}
    assert not any(heard.counters.damaged.values())
    assert heard.counters.skipped_bytes == 0
    next_labels = heard.labels("TIM-TP")
    assert all(label == second + 1 for second, label in next_labels)
    assert bool(next_labels) == (personality != "nmea")


@pytest.mark.parametrize("personality", PERSONALITY)
def test_chunks_arrive_as_a_uart_delivers_them(personality):
    heard = Heard(personality)
    times = [at_ns for at_ns, _ in heard.chunks]
    assert times == sorted(times)
    byte_ns = 10 * NS_PER_S // VOICES[personality].baud
    before_ns = 0
    for at_ns, data in heard.chunks:
        assert data
        assert at_ns - before_ns >= len(data) * byte_ns - NS_PER_MS
        before_ns = at_ns
    first = min(at_ns % NS_PER_S for at_ns, _ in heard.chunks)
    assert first > 40 * NS_PER_MS
    in_first_second = [at_ns for at_ns, _ in heard.chunks if at_ns < (START_S + 1) * NS_PER_S]
    assert 2 <= len(in_first_second) <= 5


def test_the_sawtooth_is_announced_and_real():
    heard = Heard("ubx", seconds=50)
    announced = {label.utc_s: label.q_err_ps for label in heard.all(Label) if label.message == "TIM-TP"}
    assert len(set(announced.values())) > 20
    for edge, error in zip(heard.edges[1:], heard.edge_errors()[1:], strict=True):
        second = (edge + NS_PER_S // 2) // NS_PER_S
        # Pulse plus qErr is the true second.
        assert abs(error * 1000 + announced[second]) <= 1000


@pytest.mark.parametrize("personality", PERSONALITY)
def test_independent_decoders_read_it_too(personality):
    heard = Heard(personality, seconds=41, leap_at_s=month_end(START_S))
    stream = io.BytesIO(b"".join(data for _, data in heard.chunks))
    reader = pyubx2.UBXReader(
        stream, protfilter=pyubx2.UBX_PROTOCOL | pyubx2.NMEA_PROTOCOL, quitonerror=pyubx2.ERR_RAISE
    )
    seen = [parsed for _, parsed in reader]
    kinds = {parsed.identity for parsed in seen}
    if personality != "ubx":
        assert {"GNRMC", "GNGGA", "GNZDA", "PUBX04"} <= kinds
        rmc = next(parsed for parsed in seen if parsed.identity == "GNRMC")
        assert isinstance(rmc, pynmeagps.NMEAMessage)
        assert (rmc.status, str(rmc.date), str(rmc.time)) == ("A", "2027-03-01", "00:00:00")
        assert abs(rmc.lat - 48.2083) < 0.001
        pubx = next(parsed for parsed in seen if parsed.identity == "PUBX04")
        assert str(pubx.leapSec) == "18"
        assert int(pubx.utcWk) == (START_S - 315_964_800) // S_PER_WEEK
    if personality != "nmea":
        assert {"NAV-PVT", "NAV-TIMEUTC", "TIM-TP", "NAV-TIMELS", "NAV-STATUS", "MON-HW"} <= kinds
        pvt = next(parsed for parsed in seen if parsed.identity == "NAV-PVT")
        assert (pvt.year, pvt.month, pvt.day, pvt.hour, pvt.second) == (2027, 3, 1, 0, 0)
        assert (pvt.validDate, pvt.validTime, pvt.fullyResolved, pvt.fixType) == (1, 1, 1, 3)
        assert pvt.numSV >= 9
        assert abs(pvt.lat - 48.2083) < 0.001
        timels = next(parsed for parsed in seen if parsed.identity == "NAV-TIMELS")
        assert (timels.srcOfCurrLs, timels.currLs, timels.lsChange) == (2, 18, 1)
        assert (timels.validCurrLs, timels.validTimeToLsEvent) == (1, 1)
        assert timels.timeToLsEvent == 31 * 86_400
        tp = next(parsed for parsed in seen if parsed.identity == "TIM-TP")
        week, tow = divmod(START_S + 1 - 315_964_800, S_PER_WEEK)
        assert (tp.towMS, tp.week, tp.timeBase, tp.utc) == (tow * 1000, week, 1, 1)
        hardware = next(parsed for parsed in seen if parsed.identity == "MON-HW")
        assert (hardware.aStatus, hardware.jammingState) == (2, 1)


@pytest.mark.parametrize("personality", PERSONALITY)
def test_a_cold_start_first_knows_nothing_and_then_the_wrong_leap_count(personality):
    heard = Heard(personality, seconds=900, cold_s=100)
    assert min(heard.edges) >= (START_S + 99) * NS_PER_S
    labels = [(second, label) for second, label in heard.reports if isinstance(label, Label)]
    flagged = [
        label.valid for second, label in labels if second < START_S + 100 and label.message != "TIM-TP"
    ]
    assert False in flagged
    assert True not in flagged
    errors = dict(
        zip([second for second, _ in heard.labels("RMC", "NAV-PVT")], heard.label_errors(), strict=False)
    )
    assert errors[START_S + 400] == 2
    assert heard.label_errors()[-1] == 0
    confirmed = [label.utc_valid for second, label in labels if label.message in ("PUBX,04", "NAV-TIMEUTC")]
    assert confirmed[0] is False
    assert confirmed[-1] is True


@pytest.mark.parametrize("personality", PERSONALITY)
def test_a_real_leap_second_is_announced_and_shown(personality):
    leap_at_s = START_S + 30
    heard = Heard(personality, leap_at_s=leap_at_s)
    errors = heard.label_errors("RMC", "ZDA", "NAV-PVT", "NAV-TIMEUTC")
    assert set(errors) == {0, -1}
    for second, label in heard.labels("RMC", "NAV-TIMEUTC"):
        assert label == second - (second >= leap_at_s)
    shown = {label.utc_s for label in heard.all(Label) if label.second60}
    assert shown <= {leap_at_s - 1}
    counts = {label.leap_s for label in heard.all(Label) + heard.all(LeapInfo)} - {None}
    assert counts == {18, 19}
    for second, label in heard.labels("TIM-TP"):
        assert label == second + 1 - (second + 1 > leap_at_s)


def test_a_leap_second_at_a_months_end_has_its_date():
    leap_at_s = month_end(START_S)
    assert leap_at_s == START_S + 31 * 86_400
    for personality in PERSONALITY:
        told = [info for info in Heard(personality, leap_at_s=leap_at_s).all(LeapInfo) if info.change]
        assert told
        assert {(info.change, info.at_s) for info in told} == {(1, leap_at_s)}


HALF = START_S + 30


def halves(heard, what):
    """The values of a list of (second, value) before the attack and from then on."""
    return (
        [value for second, value in what if second < HALF],
        [value for second, value in what if second >= HALF],
    )


def pulses(heard):
    return halves(heard, [((edge + NS_PER_S // 2) // NS_PER_S, edge) for edge in heard.edges])


def shifted(heard, shift_ns):
    before, after = pulses(heard)
    assert len(before) == 30
    return all(
        abs((edge + shift_ns + NS_PER_S // 2) % NS_PER_S - NS_PER_S // 2) <= 12 for edge in after
    ) and (abs(shift_ns) > NS_PER_S // 2 or len(after) == 30)


def honest_pulses(heard):
    return len(heard.edges) == 60 and max(map(abs, heard.edge_errors())) <= 12


def label_shift(heard, shift_s, *messages):
    names = messages or ("RMC", "NAV-TIMEUTC", "NAV-PVT", "ZDA", "PUBX,04")
    before, after = halves(heard, [(s, label - s) for s, label in heard.labels(*names)])
    return set(before) == {0} and set(after) == {shift_s}


CHECKS = {
    "step:+100ms": lambda h: shifted(h, 100 * NS_PER_MS) and label_shift(h, 0),
    "step:+5s": lambda h: shifted(h, 5 * NS_PER_S) and label_shift(h, 5),
    "step:-700ms": lambda h: shifted(h, -700 * NS_PER_MS) and label_shift(h, -1),
    "ramp:100ppm": lambda h: 2890 < -h.edge_errors()[-1] // 1000 < 2910 and label_shift(h, 0),
    "saw:800us,12s": lambda h: max(h.edge_errors()) > 790_000 and min(h.edge_errors()) < -790_000,
    "meacon:1ms": lambda h: shifted(h, -NS_PER_MS) and label_shift(h, 0),
    "week:-1024": lambda h: honest_pulses(h) and label_shift(h, -1024 * S_PER_WEEK),
    "date:-1024w": lambda h: honest_pulses(h) and label_shift(h, -1024 * S_PER_WEEK),
    "flip-week:-1": lambda h: (
        sorted(set(h.label_errors())) == [-S_PER_WEEK, 0]
        and {s for s, label in h.labels("RMC", "NAV-PVT") if label != s} == {HALF}
    ),
    "label:-1s": lambda h: honest_pulses(h) and label_shift(h, -1),
    "leap:-1": lambda h: (
        honest_pulses(h)
        and label_shift(h, -1)
        and {r.leap_s for r in h.all(Label) + h.all(LeapInfo)} - {None} == {18, 19}
    ),
    "false-leap": lambda h: (
        {(r.change, r.at_s) for r in h.all(LeapInfo) if r.change} == {(1, month_end(START_S))}
        and label_shift(h, 0)
    ),
    "utc-invalid": lambda h: False in {r.utc_valid for r in h.all(Label)} and label_shift(h, 0),
    "freeze": lambda h: (
        honest_pulses(h) and {label for s, label in h.labels("RMC", "NAV-PVT") if s >= HALF} == {HALF - 1}
    ),
    "replay:10s": lambda h: honest_pulses(h) and label_shift(h, -10),
    "inject:+1h": lambda h: honest_pulses(h) and {0, 3600} == set(h.label_errors()),
    "nmea-late:600ms": lambda h: (
        honest_pulses(h) and min(at % NS_PER_S for at, _ in h.chunks[-3:-2]) > 0 and label_shift(h, 0)
    ),
    "pps-miss:50%": lambda h: 35 < len(h.edges) < 55 and label_shift(h, 0),
    "pps-extra:50%": lambda h: 65 < len(h.edges) < 85 and label_shift(h, 0),
    "pps-width:200us": lambda h: 100_000 < max(map(abs, h.edge_errors())) <= 200_012,
    "gap:10s": lambda h: len(h.edges) == 50 and not {HALF, HALF + 9} & {s for s, _ in h.reports},
    "gap-jump:10s,+50ms": lambda h: (
        len(h.edges) == 50
        and abs(h.edge_errors()[-1] + 50 * NS_PER_MS) <= 12
        and abs(h.edge_errors()[29]) <= 12
    ),
    "antenna@20s": lambda h: (
        max(map(abs, h.edge_errors())) > 2_000
        and {
            r.valid
            for s, r in h.reports
            if isinstance(r, Label) and r.message in ("RMC", "NAV-PVT") and s >= START_S + 40
        }
        == {False}
    ),
    "jam": lambda h: (
        {
            r.valid
            for s, r in h.reports
            if isinstance(r, Label) and r.message in ("RMC", "NAV-PVT") and s >= HALF
        }
        == {False}
    ),
    "spoof-flag": lambda h: (
        label_shift(h, 0)
        and (
            "ubx" not in h.counters.frames
            or not h.counters.frames["ubx"]
            or "indicated" in {r.spoofing for r in h.all(Health)}
        )
    ),
    "toggle:+50us,10s": lambda h: sorted({round(e, -4) for e in h.edge_errors()}) == [-50_000, 0],
    "gps-week": honest_pulses,
    "garble": lambda h: (
        {s for s, _ in h.labels("NAV-TIMEUTC", "RMC")} == set(range(START_S, START_S + 60)) - {HALF}
    ),
    "pps-late:+25ms": lambda h: shifted(h, -25 * NS_PER_MS) and label_shift(h, 0),
    "leap-59": honest_pulses,
    "no-fix": lambda h: honest_pulses(h) and label_shift(h, 0),
    "position": lambda h: honest_pulses(h) and label_shift(h, 0),
    "collude:100ppm": lambda h: 2890 < -h.edge_errors()[-1] // 1000 < 2910,
    "collude:+1ms": lambda h: shifted(h, NS_PER_MS),
}


@pytest.mark.parametrize("personality", PERSONALITY)
@pytest.mark.parametrize("text", CHECKS)
def test_each_attack_does_what_its_name_says(text, personality):
    heard = Heard(personality, text)
    assert CHECKS[text](heard)
    assert not any(heard.counters.damaged.values())


@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.name)
def test_every_attack_can_be_written_and_is_tested(deed):
    attack = parse_attack(deed.name, START_S * NS_PER_S, 60 * NS_PER_S, 1)
    assert attack.start_ns == HALF * NS_PER_S
    assert f"{deed.name}:{deed.default}" in attack_table() or not deed.default
    # Those that touch neither receiver nor bytes are tested with the whole world.
    tested = {text.split(":")[0].split("@")[0] for text in CHECKS}
    assert deed.name in tested or (deed.receiver is None and deed.burst is None)


@pytest.mark.parametrize("personality", PERSONALITY)
def test_an_attack_that_ends_leaves_nothing_behind(personality):
    for text in ("step:+100ms@10s+20s", "label:+1s@10s+20s", "freeze@10s+20s", "replay:5s@10s+20s"):
        heard = Heard(personality, text)
        assert heard.label_errors()[-20:] == [0] * 20
        assert max(map(abs, heard.edge_errors()[-20:])) <= 12
        assert {second for second, label in heard.labels("RMC", "NAV-PVT") if second != label} <= {
            START_S + second for second in range(10, 30)
        }


def test_a_fast_ramp_loses_no_label():
    for text, count in (("ramp:2%@1s", 244), ("ramp:-2%@1s", 236)):
        heard = Heard("nmea", text, seconds=240)
        labels = [label for _, label in heard.labels("RMC")]
        assert labels == list(range(START_S, START_S + len(labels)))
        assert abs(len(labels) - count) <= 1
        assert abs(len(heard.edges) - len(labels)) <= 1
        spacing = [after - before for before, after in zip(heard.edges, heard.edges[1:], strict=False)]
        assert all(960 * NS_PER_MS < gap < 1045 * NS_PER_MS for gap in spacing)


def test_late_messages_are_late():
    usual, late = Heard("nmea"), Heard("nmea", "nmea-late:600ms@0")
    difference = late.chunks[0][0] - usual.chunks[0][0]
    assert abs(difference - 600 * NS_PER_MS) <= 900 * NS_PER_US


def test_labels_no_calendar_knows_do_no_harm():
    for text in ("date:+9000w", "date:-9000w", "date:+999999w", "date:-999999w", "leap:+500", "step:+40000d"):
        for personality in PERSONALITY:
            assert Heard(personality, text, seconds=12).chunks


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nobody", "ramp, saw, meacon"),
        ("step:20ppm", r"expected a time such as \+100ms"),
        ("step:", "expected a time"),
        ("ramp:+1s", "expected a rate such as 20ppm"),
        ("week:-1024w", "expected a whole number"),
        ("pps-miss:300%", "expected a share"),
        ("gap:-3s", "expected a duration"),
        ("gap-jump:30m", "expected a duration such as .* and a time such as"),
        ("saw:1ms,0s", "expected a duration"),
        ("freeze:3s", "expected no amount"),
        ("collude:3", "a rate such as .* or a time such as"),
        ("step:+1s@soon", "expected"),
        ("step:+1s@-3s", "not a duration"),
        ("step:+1s@1h+x", "expected"),
    ],
)
def test_a_bad_attack_says_what_was_expected(text, expected):
    with pytest.raises(ConfigError, match=expected) as caught:
        parse_attack(text, 0, 60 * NS_PER_S, 1)
    assert repr(text) in str(caught.value)


def answers(text, count=4):
    attack = parse_attack(f"{text}@0", 0, 10**12, 1)
    found = [Answer(server, count, 10**11) for server in range(count)]
    for answer in found:
        attack.answer(answer)
    return found


def test_attacks_on_the_servers():
    assert [answer.shift_ns for answer in answers("ntp-liar:+200ms")] == [200 * NS_PER_MS, 0, 0, 0]
    assert [bool(answer.shift_ns) for answer in answers("ntp-majority")] == [True, True, True, False]
    assert [bool(answer.shift_ns) for answer in answers("ntp-majority", 5)] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert {answer.shift_ns for answer in answers("collude:5ppm")} == {500_000}
    assert {answer.shift_ns for answer in answers("collude:-1s")} == {-NS_PER_S}
    assert {answer.leap for answer in answers("ntp-leap:-1")} == {2}
    assert all(answer.lost for answer in answers("ntp-silence"))
    assert {answer.kiss for answer in answers("ntp-kod")} == {b"DENY", b"RATE"}


def test_a_live_demonstration_can_add_and_end_an_attack():
    receiver = Receiver("ubx", Chance(1, "receiver"), start_s=START_S)
    assert abs(receiver.second(START_S).edges[0]) <= 11
    attack = parse_attack("step:+50ms@0", (START_S + 1) * NS_PER_S, NS_PER_S, 1)
    receiver.attacks.append(attack)
    assert abs(receiver.second(START_S + 1).edges[0] + 50 * NS_PER_MS) <= 11
    attack.end_ns = (START_S + 2) * NS_PER_S
    assert abs(receiver.second(START_S + 2).edges[0]) <= 11


def test_replay_remembers_no_more_than_it_must():
    attack = parse_attack("replay:5s@0", 0, 10**12, 1)
    assert isinstance(attack.memory, deque)
    receiver = Receiver("nmea", Chance(1, "receiver"), [attack])
    for second in range(100):
        receiver.second(second)
    assert len(attack.memory) == 5
