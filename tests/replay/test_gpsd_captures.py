"""Real receivers, as recorded by gpsd's contributors: do we name the same seconds as gpsd did?

gpsd's own decoding lies beside each recording. Where the two differ, the table below says on which seconds
and who is right; a second that is not in it fails the test, and so does one that no longer differs.
"""

import json
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from refclock.cli import main
from refclock.wire.report import Health, LeapInfo
from refclock.wire.scanner import Scanner

pytestmark = pytest.mark.usefixtures("shared_captures")


@dataclass(frozen=True)
class Difference:
    """The seconds that only we name, those that only gpsd names, and why."""

    why: str
    ours: frozenset[str] = frozenset()
    gpsd: frozenset[str] = field(default_factory=frozenset)


def _minute(minute: str, seconds: str) -> frozenset[str]:
    return frozenset(f"{minute}:{second}Z" for second in seconds.split())


AGREED = [
    "april6_2019",
    "firefly-II",
    "furuno_gl_ga",
    "jl-micro-jlt",
    "mt3339",
    "nmea-fuzzy-cases",
    "quectel-L70",
    "sirfstarv-nmea",
    "skytraq-fix",
    "trimble-res720",
    "trimble-smt-360",
    "ublox-zed-f9p-nmea",
    "ublox8-uniqid-monhw",
]

DIFFERENT = {
    "gp-320fw-2019-04-06-overflow": Difference(
        "The RMC is good. gpsd reports at the end of an epoch, for which it takes GLL here, and this epoch "
        "has none: it left the second out. We name it.",
        ours=frozenset({"2019-04-06T23:57:26.020Z"}),
    ),
    "gp-320fw-2019-04-07-coldboot": Difference(
        "The receiver restarts on dates of its own making, in RMC with status V: gpsd goes on showing its "
        "last good time, we name what was said, as not valid. At 00:04:27 gpsd is wrong: it puts the time of "
        "day of a sentence without date on the date from before the restart; the ZDA of that second says "
        "1999-08-22, as we do, which is no better but is what the receiver said.",
        ours=_minute("2006-12-16T23:59", "48 49 50")
        | _minute("2010-09-25T23:59", "57 58 59")
        | _minute("1999-08-22T00:04", "25 27")
        | {"2010-09-30T19:35:15Z", "2010-09-26T00:00:02Z"},
        gpsd=frozenset({"2019-04-07T00:04:27Z"}),
    ),
    "hp58534a": Difference(
        "It sends no checksums: gpsd takes none of its sentences, and so do we unless the operator names the "
        "family. Then ZDA and PFEC,GPtps say the two seconds of the recording.",
        ours=_minute("2010-10-25T22:24", "49 50"),
    ),
    "meinberg-gps164": Difference(
        "Twenty seconds have status V. gpsd goes on showing the last second before them; we name each, as "
        "not valid.",
        ours=_minute("2023-12-18T22:10", " ".join(str(second) for second in range(15, 35))),
    ),
    "navisys-gr701w": Difference(
        "The recording ends within an epoch, after NAV-SOL and before NAV-TIMEGPS. gpsd makes UTC of the GPS "
        "time in NAV-SOL and the leap seconds it heard before; we take from NAV-SOL whether there is a fix, "
        "and no more. Both are right.",
        gpsd=frozenset({"2024-03-28T15:15:25Z"}),
    ),
    "ublox-8-time": Difference(
        "As navisys-gr701w: it ends after a NAV-SOL.",
        gpsd=frozenset({"2017-12-01T17:24:05Z"}),
    ),
    "oncore-binary": Difference(
        "The receiver's mode and offset (@@Aw, @@Bo) come after its first @@Ea, which does not say by itself "
        "whether it is UTC. gpsd takes it for UTC; it was, but nobody could know.",
        gpsd=frozenset({"2000-08-25T04:50:00Z"}),
    ),
    "oncore-m12": Difference(
        "gpsd was still finding out what it talks to and gave no report of the first epoch.",
        ours=frozenset({"2026-01-21T07:33:29Z"}),
    ),
    "u-blox-m8t-time": Difference(
        "gpsd was still finding out what it talks to and gave no report of the first epoch.",
        ours=frozenset({"2021-02-23T18:04:29Z"}),
    ),
    "ublox-lea-4t": Difference(
        "gpsd is wrong on the first second, by 3 s: until NAV-TIMEGPS told it the 15 leap seconds of 2009 it "
        "took off the 18 it was built with. NAV-TIMEUTC says 20:35:43 itself.",
        ours=frozenset({"2009-01-28T20:35:43Z"}),
        gpsd=frozenset({"2009-01-28T20:35:40Z"}),
    ),
    "ublox-lea-m8f": Difference(
        "Every fifth epoch is NAV-PVT alone. gpsd then loses the end of the epoch, reports one second twice "
        "and two not at all; it also leaves out the first and the last. NAV-PVT says each, and so do we.",
        ours=_minute("2025-04-11T05:06", "24 29 30 34 35 39 40 44 45 51"),
    ),
    "ublox-neo-m8n": Difference(
        "gpsd reports an epoch when the next begins: none of the last, nor of the first, in which it was "
        "still finding out what it talks to.",
        ours=frozenset({"2017-07-19T08:50:00.800Z", "2017-07-19T08:50:05.400Z"}),
    ),
}

# What is decoded only where the operator names the family.
NAMED = {"hp58534a": "nmea-unchecked"}

NOT_READ = {
    "bu303-nofix": "SiRF binary",
    "bu303-stillfix": "SiRF binary",
    "garmin18x-bin": "Garmin binary",
}


def _gpsd_seconds(path: Path) -> set[str]:
    """TPV.time, written as decode writes it: within 10 ms of a whole second it is that second."""
    found = set()
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if not text.startswith('{"class":"TPV"'):
            continue
        time = json.loads(text).get("time")
        if time is not None:
            whole, _, milliseconds = time.removesuffix("Z").partition(".")
            near = int(milliseconds) <= 10
            assert int(milliseconds) < 990
            found.add(f"{whole}Z" if near else f"{whole}.{milliseconds}Z")
    return found


@pytest.fixture
def decoded(shared_captures, capsys):
    def run(name: str, *options: str) -> tuple[int, list[dict[str, object]], str]:
        status = main(["decode", *options, str(shared_captures / f"{name}.log")])
        captured = capsys.readouterr()
        return status, [json.loads(text) for text in captured.out.splitlines()], captured.err

    return run


@pytest.mark.parametrize("name", [*AGREED, *DIFFERENT])
def test_we_name_the_seconds_that_gpsd_names(shared_captures, decoded, name):
    status, lines, _ = decoded(name, *(("--protocol", NAMED[name]) if name in NAMED else ()))
    assert status == 0
    # gpsd's TPV is about the epoch that was; a label of the pulse to come is compared below.
    ours = {str(found["utc"]) for found in lines if found["label_edge"] == "previous" and found["utc"]}
    gpsd = _gpsd_seconds(shared_captures / f"{name}.log.chk")
    difference = DIFFERENT.get(name, Difference("none"))
    assert ours - gpsd == difference.ours, difference.why
    assert gpsd - ours == difference.gpsd, difference.why


@pytest.mark.parametrize("name", ["meinberg-gps164", "gp-320fw-2019-04-07-coldboot"])
def test_seconds_that_gpsd_hides_are_not_called_valid(decoded, name):
    _, lines, _ = decoded(name)
    hidden = [found for found in lines if found["utc"] in DIFFERENT[name].ours]
    assert hidden
    assert all(found["valid"] is not True for found in hidden)


@pytest.mark.parametrize(("name", "pulses"), [("u-blox-m8t-time", 151), ("ublox-lea-4t", 2)])
def test_tim_tp_names_the_second_after_its_epoch(decoded, name, pulses):
    _, lines, _ = decoded(name)
    steps = []
    for earlier, later in pairwise(lines):
        if earlier["message"] == "TIM-TP" and later["message"] == "NAV-TIMEGPS":
            # Both within the same hour, as the names show.
            tp, epoch = str(earlier["utc"]), str(later["utc"])
            assert tp[:13] == epoch[:13]
            steps.append(60 * (int(tp[14:16]) - int(epoch[14:16])) + int(tp[17:19]) - int(epoch[17:19]))
    assert steps == [1] * pulses


def test_gps_time_is_recognised_and_a_first_second_without_time_scale(decoded):
    for name, leap_s in (("trimble-smt-360", 18), ("trimble-res720", 18)):
        _, lines, _ = decoded(name)
        assert {(found["leap"], found["utc_valid"], found["valid"]) for found in lines} == {
            (leap_s, True, True)
        }
    _, lines, _ = decoded("oncore-binary")
    (first, *rest) = lines
    assert (first["utc"], first["timescale"], first["time"]) == (None, "unstated", "2000-08-25T04:50:00")
    assert all(found["utc"] for found in rest)
    # The sawtooth of each pulse was announced a second before.
    assert all(isinstance(found["q_err_ps"], int) for found in rest)


@pytest.mark.parametrize("name", NOT_READ)
def test_families_that_are_not_read_are_named_with_what_to_do(decoded, name):
    status, lines, errors = decoded(name)
    assert (status, lines) == (0, [])
    assert f"good frames of {NOT_READ[name]}, not read: switch it to NMEA" in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize("name", NAMED)
def test_sentences_without_checksums_are_refused_in_one_line(decoded, name):
    status, lines, errors = decoded(name)
    assert (status, lines) == (2, []), NAMED[name]
    assert errors.count("\n") == 1


def test_no_recording_was_forgotten(shared_captures):
    known = {*AGREED, *DIFFERENT, *NOT_READ}
    assert {path.stem for path in shared_captures.glob("*.log")} == known


def test_every_sentence_of_the_furuno_says_what_its_pulse_follows(shared_captures):
    """GT-88: the pulse follows UTC (EU), and the receiver has the leap count from the satellites."""
    scanner = Scanner("nmea")
    reports = scanner.feed((shared_captures / "furuno_gl_ga.log").read_bytes())
    told = [one for one in reports if one.message == "PERDCRW,TPS1"]
    assert {one.pulse_locked for one in told if isinstance(one, Health)} == {True}
    assert {(one.utc_valid, one.leap_s, one.change) for one in told if isinstance(one, LeapInfo)} == {
        (True, 18, 0)
    }
    assert len(told) == 45


def test_the_jackson_labs_clock_says_that_it_is_locked(shared_captures):
    scanner = Scanner("nmea")
    reports = scanner.feed((shared_captures / "jl-micro-jlt.log").read_bytes())
    (told,) = [one for one in reports if one.message == "PJLTS"]
    assert isinstance(told, Health)
    assert (told.pulse_locked, told.holdover, told.jamming) == (True, False, None)


def test_the_hp_guards_its_label_with_its_own_gps_time(decoded):
    _, lines, _ = decoded("hp58534a", "--protocol", "nmea-unchecked")
    guarded = [found for found in lines if found["message"] == "PFEC,GPtps"]
    assert [(found["utc"], found["leap"]) for found in guarded] == [
        ("2010-10-25T22:24:49Z", 15), ("2010-10-25T22:24:50Z", 15),
    ]  # fmt: skip
