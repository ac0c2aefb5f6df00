"""The voices of ASCII time codes: their lines are legal, on time, and say what the receiver knows."""

import json

import pytest

from refclock.cli.replay import bridge_for
from refclock.cli.truth import Truth
from refclock.model import Mode, Publish, Withhold
from refclock.policy import parse_policy
from refclock.units import NS_PER_MS, NS_PER_S
from refclock.wire.recognise import recognise
from refclock.wire.report import Health, Label, LeapInfo
from refclock.wire.scanner import Scanner
from refclock.wire.timecodes import CODES
from refclock.world import World, WorldArguments
from refclock.world.attacks import parse_attack
from refclock.world.chance import Chance
from refclock.world.deeds import month_end
from refclock.world.receiver import Receiver
from refclock.world.voices.table import VOICES

START_S = 1_803_859_200  # 2027-03-01T00:00:00Z
NEW_YEAR_S = 1_798_761_600  # 2027-01-01T00:00:00Z
CODED = sorted(name for name, row in VOICES.items() if row.protocol in CODES)
RIGHT = [name for name in CODED if name != "meinberg-cet"]
ANNOUNCING = ["meinberg", "meinberg-erlangen", "spectracom-2", "spectracom-3"]
COASTING = ["meinberg", "meinberg-erlangen", "spectracom-2", "truetime", "zyfer"]


class Heard:
    """What one receiver said: (true second, report)."""

    def __init__(self, voice, *attacks, seconds=30, start_s=START_S, **options):
        parsed = [parse_attack(text, start_s * NS_PER_S, seconds * NS_PER_S, 1) for text in attacks]
        receiver = Receiver(voice, Chance(1, "receiver"), parsed, start_s=start_s, **options)
        scanner = Scanner(VOICES[voice].protocol)
        self.reports, self.arrived, self.data = [], {}, b""
        base = NEW_YEAR_S if VOICES[voice].yearless else 0
        for second in range(start_s, start_s + seconds):
            emission = receiver.second(second)
            for at_ns, data in emission.chunks:
                self.arrived[len(self.data)] = at_ns
                self.data += data
                self.reports += [(second, report) for report in scanner.feed(data)]
        self.counters = scanner.counters
        self.labels = [(second, report) for second, report in self.reports if isinstance(report, Label)]
        self.errors = [base + label.utc_s - second for second, label in self.labels]

    def all(self, kind):
        return [report for _, report in self.reports if isinstance(report, kind)]


@pytest.mark.parametrize("voice", RIGHT)
def test_an_honest_clock_is_right(voice):
    heard = Heard(voice)
    assert heard.errors == [0] * 30
    assert {label.valid for _, label in heard.labels} == {True}
    assert {label.timescale for _, label in heard.labels} == {"unstated" if VOICES[voice].vouched else "utc"}
    assert {label.yearless for _, label in heard.labels} == {VOICES[voice].yearless}
    assert {one.holdover for one in heard.all(Health)} == {False}
    assert (heard.counters.skipped_bytes, sum(heard.counters.damaged.values())) == (0, 0)


@pytest.mark.parametrize("voice", RIGHT)
def test_the_byte_on_time_begins_with_the_second(voice):
    heard = Heard(voice)
    starts = sorted(heard.arrived)
    for _, label in heard.labels:
        mark = label.start if label.mark is None else label.mark
        chunk = max(start for start in starts if start <= mark)
        # The chunk's last byte: one byte after the mark began at the earliest, a FIFO later at most.
        assert NS_PER_MS <= heard.arrived[chunk] % NS_PER_S <= 19 * NS_PER_MS


@pytest.mark.parametrize("voice", RIGHT)
def test_a_line_that_nobody_named_is_recognised(voice):
    assert recognise(Heard(voice).data) == (VOICES[voice].protocol,)


def test_central_european_time_is_told_as_local():
    heard = Heard("meinberg-cet")
    assert {label.timescale for _, label in heard.labels} == {"local"}
    assert set(heard.errors) == {3600}
    assert not heard.all(LeapInfo)


@pytest.mark.parametrize("voice", RIGHT)
def test_without_satellites_it_coasts_where_it_can_say_so_and_then_has_no_time(voice):
    heard = Heard(voice, "no-fix@10s", seconds=700)
    told = [(second - START_S, one) for second, one in heard.reports if isinstance(one, Health)]
    assert {one.holdover for second, one in told if second < 10} == {False}
    coasting = {(one.fix, one.holdover) for second, one in told if 10 <= second < 610}
    if voice in COASTING:
        assert coasting == {(True, True)}
        assert {one.fix for second, one in told if second >= 610} == {False}
    else:
        assert coasting == {(False, None)}  # it has no flag between good and bad
    assert heard.labels[-1][1].valid is False
    assert set(heard.errors) == {0}


@pytest.mark.parametrize("voice", RIGHT)
def test_before_it_knows_the_leap_count_it_says_that_it_has_no_time(voice):
    heard = Heard(voice, seconds=900, cold_s=60)
    early = [label.valid for second, label in heard.labels if second < START_S + 810]
    assert set(early) == {False}
    assert heard.labels[-1][1].valid is True
    assert (heard.errors[100], heard.errors[-1]) == (2, 0)


@pytest.mark.parametrize("voice", RIGHT)
def test_a_leap_second_is_announced_where_the_format_can_and_shown(voice):
    leap_at_s = month_end(START_S)
    heard = Heard(voice, seconds=60, start_s=leap_at_s - 30, leap_at_s=leap_at_s)
    told = {(one.change, one.at_s) for one in heard.all(LeapInfo)}
    assert told == ({(1, leap_at_s), (0, None)} if voice in ANNOUNCING else set())
    assert [label.second60 for _, label in heard.labels] == [False] * 30 + [True] + [False] * 29
    assert set(heard.errors) == {0, -1}


@pytest.mark.parametrize("voice", ANNOUNCING)
def test_an_announcement_comes_when_the_manual_says(voice):
    leap_at_s = month_end(START_S)
    within_s = 3600 if voice.startswith("meinberg") else 31 * 86_400
    for ahead_s, change in ((within_s - 5, 1), (within_s + 5, 0)):
        start_s = leap_at_s - ahead_s
        (told,) = Heard(voice, seconds=1, start_s=start_s, leap_at_s=leap_at_s).all(LeapInfo)
        assert told.change == change, ahead_s


@pytest.mark.parametrize("voice", RIGHT)
def test_a_garbled_reading_is_no_second(voice):
    heard = Heard(voice, "garble@10s")
    assert {second for second, _ in heard.labels} == set(range(START_S, START_S + 30)) - {START_S + 10}


@pytest.mark.parametrize("voice", CODED)
def test_dates_that_no_calendar_knows_do_no_harm(voice):
    for text in ("date:+9000w", "date:-9000w", "date:+999999w", "date:-999999w", "leap:+500", "step:+40000d"):
        assert Heard(voice, text, seconds=12).data


# ---- the same before a bridge ----------------------------------------------------------------------


SHORT = '\n[limits]\ndwell_cold_s = 90\n[loosened]\ndwell_cold_s = "a test"\n'


class Played:
    """A world of four minutes before a bridge, attacked (if at all) in its last."""

    def __init__(self, voice, *attacks, **options):
        world = World(WorldArguments(receiver=voice, duration_ns=240 * NS_PER_S, attacks=attacks, **options))
        header = json.loads(json.dumps(world.header()))
        self.bridge = bridge_for(header, parse_policy(str(header["policy"]) + SHORT))
        decisions = [decision for event in world.events() for decision in self.bridge.step(event)]
        truth = Truth.of(header)
        assert truth is not None
        self.published = [one for one in decisions if isinstance(one, Publish)]
        self.astray = [one for one in self.published if abs(truth.error_ns(one)) > one.bound_ns]
        self.reasons = {one.reason for one in decisions if isinstance(one, Withhold)} - {"ntp-lost"}
        self.mode = self.bridge.vetting.mode


@pytest.mark.parametrize("voice", RIGHT)
def test_an_honest_clock_is_vetted(voice):
    played = Played(voice)
    assert played.mode is Mode.VETTED
    assert len(played.published) >= 148
    assert played.astray == []
    assert played.reasons == {"dwell"}


@pytest.mark.parametrize("voice", ["meinberg", "truetime"])
@pytest.mark.parametrize(
    "options", [{"pps": False}, {"enrolled": False}, {"baud": 115_200}, {"profile": "appserver"}]
)
def test_an_honest_clock_is_vetted_in_any_world(voice, options):
    played = Played(voice, **options)
    assert played.mode is Mode.VETTED
    assert played.astray == []


def test_central_european_time_is_never_fed():
    played = Played("meinberg-cet")
    assert (played.published, played.reasons) == ([], {"local-time"})


EVERYWHERE = ["label:-1s", "week:-1024", "replay:20s", "inject:+1h"]
ATTACKS = [
    *EVERYWHERE,
    "label:+1s",
    "date:+1d",
    "date:+365d",
    "date:-365d",
    "step:+5s",
    "step:+30ms",
    "freeze",
]
ATTACKS += ["pps-late:+25ms", "ramp:200ppm", "leap:-1"]
PAIRS = [(voice, attack) for voice in RIGHT for attack in EVERYWHERE]
PAIRS += [(voice, attack) for voice in ("meinberg", "spectracom-3", "truetime") for attack in ATTACKS[4:]]


@pytest.mark.parametrize(("voice", "attack"), PAIRS)
def test_an_attack_is_refused(voice, attack):
    played = Played(voice, f"{attack}@3m")
    assert len(played.published) >= 80
    assert played.astray == []
    # Another year is no attack on a clock that names none.
    unseen = voice == "truetime" and attack in ("date:+365d", "date:-365d")
    assert (played.reasons == {"dwell"}) is unseen
