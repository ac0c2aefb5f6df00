"""Whole worlds: the same bytes everywhere, the truth kept, the host's own troubles, and the verb."""

import json
import os
import subprocess
import sys
from bisect import bisect_right
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from refclock.capture import CaptureReader
from refclock.cli import main
from refclock.errors import ConfigError
from refclock.model import Command, NtpReply, PortChange, PpsEdge, RtcTick, SerialBytes, SystemClock
from refclock.policy import PROFILES, parse_policy
from refclock.units import NS_PER_MS, NS_PER_S, NS_PER_US
from refclock.wire import sntp
from refclock.wire.sntp import to_posix_ns
from refclock.world import World, WorldArguments
from refclock.world.arguments import START_S

SOURCE = Path(__file__).resolve().parents[2] / "src"
MINUTE_NS = 60 * NS_PER_S


def decode(data: bytes | None) -> sntp.NtpPacket:
    assert data is not None
    packet = sntp.decode(data)
    assert packet is not None
    return packet


class Seen:
    """A world's events, and the truth of its header."""

    def __init__(self, **arguments):
        self.world = World(WorldArguments(**{"duration_ns": 10 * MINUTE_NS} | arguments))
        self.header = json.loads(json.dumps(self.world.header(), allow_nan=False))
        self.events = list(self.world.events())
        self.knots = self.header["truth"]["utc_at_raw"]
        self.raws = [raw for raw, _ in self.knots]

    def utc(self, raw_ns):
        at = min(max(bisect_right(self.raws, raw_ns) - 1, 0), len(self.raws) - 2)
        (raw0, utc0), (raw1, utc1) = self.knots[at], self.knots[at + 1]
        return utc0 + (raw_ns - raw0) * (utc1 - utc0) // (raw1 - raw0)

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    def edge_utc(self, edge):
        """Truth at the instant of a pulse, through the pair of stamps as a bridge would do it."""
        return self.utc(edge.raw_ns - (edge.real_ns - edge.at_ns))

    def ntp_interval(self, reply):
        """What an answer says of UTC when it arrived: its middle and half-width (RFC 5905, section 11.1)."""
        packet = decode(reply.data)
        receive, transmit = (to_posix_ns(stamp, START_S) for stamp in (packet.receive, packet.transmit))
        delay = (reply.t4_raw_ns - reply.t1_raw_ns) - (transmit - receive)
        return transmit + delay // 2, delay // 2 + packet.root_delay_ns // 2 + packet.root_dispersion_ns


@pytest.fixture(scope="module", params=PROFILES)
def honest(request):
    return Seen(profile=request.param, receiver="ubx", seed=3)


def test_events_come_in_order_and_on_time(honest):
    raws = [event.raw_ns for event in honest.events]
    assert raws == sorted(raws)
    assert honest.utc(raws[0]) == honest.world.start_ns
    assert honest.utc(raws[-1]) < honest.world.end_ns
    assert all(50 <= event.unc_ns <= 900 for event in honest.events if not isinstance(event, RtcTick))


def test_every_honest_pulse_is_a_whole_second(honest):
    edges = [edge for edge in honest.of(PpsEdge) if edge.port == "pps0"]
    assert len(edges) in (599, 600)
    assert [edge.seq for edge in edges] == list(range(edges[0].seq, edges[0].seq + len(edges)))
    for number, edge in enumerate(edges):
        error = honest.edge_utc(edge) - (START_S + 1 + number) * NS_PER_S
        assert -500 <= error < 6 * NS_PER_US
        assert 150 * NS_PER_US < edge.real_ns - edge.at_ns < 3100 * NS_PER_US


def test_every_honest_answer_contains_the_truth(honest):
    replies = honest.of(NtpReply)
    answered = [reply for reply in replies if reply.data is not None]
    assert 4 * 12 <= len(replies) <= 4 * 14
    assert len(answered) >= len(replies) - 4
    for reply in answered:
        middle, half = honest.ntp_interval(reply)
        assert abs(middle - honest.utc(reply.t4_raw_ns)) <= half < 100 * NS_PER_MS
        assert f"{decode(reply.data).origin:016x}" == reply.cookie
        assert reply.t1_raw_ns < reply.t4_raw_ns < reply.raw_ns
    assert len({reply.cookie for reply in replies}) == len(replies)


def test_the_rtc_ticks_within_its_uncertainty(honest):
    ticks = honest.of(RtcTick)
    assert len(ticks) in (37, 38)
    offsets = [tick.rtc_s * NS_PER_S - honest.utc(tick.raw_ns) for tick in ticks]
    assert max(map(abs, offsets)) < 510 * NS_PER_MS
    assert max(offsets) - min(offsets) < 2 * NS_PER_MS + 600 * 12 * NS_PER_US
    assert all(200 * NS_PER_US <= tick.unc_ns <= NS_PER_MS for tick in ticks)


def test_the_system_clock_is_looked_at(honest):
    looks = honest.of(SystemClock)
    assert len(looks) == 10
    assert {look.status & 0x40 for look in looks} == {0x40}
    assert {look.clocksource for look in looks} == {"tsc"}
    assert len({look.boot_id for look in looks}) == 1


def test_an_enrolled_world_remembers_its_rates(honest):
    first = honest.events[0]
    assert isinstance(first, Command)
    assert first.verb == "restore"
    world = honest.world
    for name, true_ppt in (("raw", world.raw_rate_ppt), ("rtc", world.rtc.rate_ppt)):
        measured, unc = first.args[f"{name}_rate_ppt"], first.args[f"{name}_rate_unc_ppt"]
        assert abs(measured - true_ppt) <= unc
    assert first.args["floor_utc_ns"] == world.start_ns - 3600 * NS_PER_S
    (raw0, utc0), (raw1, utc1) = honest.knots[0], honest.knots[-1]
    mean_ppt = (utc1 - utc0 - raw1 + raw0) * 10**12 // (raw1 - raw0)
    assert abs(mean_ppt - world.raw_rate_ppt) < 600_000


def test_a_fresh_world_remembers_nothing():
    assert not Seen(enrolled=False, duration_ns=MINUTE_NS).of(Command)


def test_the_header_can_be_used(honest):
    policy = parse_policy(honest.header["policy"])
    assert policy.profile == honest.world.arguments.profile
    assert (policy.receiver.protocol, policy.receiver.baud) == ("ubx", 38400)
    assert [f"{host}:{port}" for host, port in policy.ntp.servers] == honest.header["ports"]["ntp0"][
        "servers"
    ]
    assert {event.port for event in honest.of(SerialBytes)} == {"gps0"}
    assert {event.peer for event in honest.of(NtpReply)} == {f"ntp{number}:123" for number in (1, 2, 3, 4)}
    assert honest.header["simulated"] is True
    assert next(iter(honest.header)) == "refclock_capture"


def test_a_site_with_less():
    seen = Seen(receiver="mixed", pps=False, rtc=False, servers=0)
    assert not seen.of(PpsEdge)
    assert not seen.of(RtcTick)
    assert not seen.of(NtpReply)
    assert set(seen.header["ports"]) == {"gps0", "sys0"}
    policy = parse_policy(seen.header["policy"])
    assert policy.pps is None
    assert policy.receiver.protocol == "auto"
    assert policy.receiver.message_delay_ns == seen.world.receiver.first_chunk_ns // 1000 * 1000


def test_another_component_does_not_disturb_the_others():
    def pulses(**more):
        return [
            (edge.raw_ns, edge.at_ns, edge.seq) for edge in Seen(duration_ns=MINUTE_NS, **more).of(PpsEdge)
        ]

    alone = [at_ns for _, at_ns, _ in pulses(servers=0, rtc=False)]
    assert [at_ns for _, at_ns, _ in pulses(servers=5)] == alone
    assert [at_ns for _, at_ns, _ in pulses(attacks=("ntp-liar@10s", "rtc@10s"))] == alone


def test_lies_of_servers():
    seen = Seen(attacks=("ntp-majority:+300ms@5m",))
    half = seen.world.start_ns + 5 * MINUTE_NS
    for reply in seen.of(NtpReply):
        if reply.data is not None:
            middle, width = seen.ntp_interval(reply)
            lies = reply.peer != "ntp4:123" and seen.utc(reply.t1_raw_ns) >= half
            assert abs(middle - seen.utc(reply.t4_raw_ns) - lies * 300 * NS_PER_MS) <= width
    silent = [
        reply for reply in Seen(attacks=("ntp-silence@5m",)).of(NtpReply) if seen.utc(reply.t1_raw_ns) >= half
    ]
    assert silent
    assert all(reply.data is None and reply.raw_ns - reply.t1_raw_ns >= NS_PER_S // 2 for reply in silent)
    kissed = [decode(reply.data) for reply in Seen(attacks=("ntp-kod@1s",)).of(NtpReply) if reply.data]
    assert {packet.reference_id for packet in kissed} == {b"RATE", b"DENY"}
    assert {packet.stratum for packet in kissed} == {0}


def test_troubles_of_the_clocks():
    seen = Seen(attacks=("rtc:+5s@5m", "foreign-step:-2s@5m", "clocksource@5m", "raw:100ppm@5m"))
    half = seen.world.start_ns + 5 * MINUTE_NS
    for tick in seen.of(RtcTick):
        late = seen.utc(tick.raw_ns) >= half
        if abs(seen.utc(tick.raw_ns) - half) > 20 * NS_PER_S:
            assert abs(tick.rtc_s * NS_PER_S - seen.utc(tick.raw_ns) - late * 5 * NS_PER_S) < 510 * NS_PER_MS
    for event in seen.events:
        late = seen.utc(event.raw_ns) >= half
        assert abs(event.real_ns - seen.utc(event.raw_ns) + late * 2 * NS_PER_S) < 40 * NS_PER_MS
    sources = [look.clocksource for look in seen.of(SystemClock)]
    assert sources == ["tsc"] * 5 + ["hpet"] * (len(sources) - 5)
    # The pulses are true still: it is the counter that moved.
    assert all((seen.edge_utc(edge) + 500) % NS_PER_S < 7_000 for edge in seen.of(PpsEdge))
    edges = [edge.raw_ns - (edge.real_ns - edge.at_ns) for edge in seen.of(PpsEdge)]
    before, after = edges[200] - edges[100], edges[500] - edges[400]
    assert abs(after - before - 100 * 100 * NS_PER_US) < 20 * NS_PER_US


def test_a_reboot():
    seen = Seen(attacks=("reboot:45s@5m",))
    assert len({look.boot_id for look in seen.of(SystemClock)}) == 2
    assert [(change.port, change.up) for change in seen.of(PortChange)] == [
        ("gps0", False), ("pps0", False), ("gps0", True), ("pps0", True),
    ]  # fmt: skip
    raws = [event.raw_ns for event in seen.events]
    falls = [index for index in range(1, len(raws)) if raws[index] < raws[index - 1]]
    assert len(falls) == 1
    first = seen.events[falls[0]]
    assert isinstance(first, SystemClock)
    assert first.raw_ns == 9 * NS_PER_S
    utcs = [seen.utc(raw_ns) for raw_ns in raws]
    assert utcs == sorted(utcs)
    assert abs(utcs[falls[0]] - utcs[falls[0] - 1] - 45 * NS_PER_S) <= 3
    assert all((seen.edge_utc(edge) + 500) % NS_PER_S < 7_000 for edge in seen.of(PpsEdge))


def test_a_paused_machine():
    seen = Seen(attacks=("vm-pause:20s@5m",))
    utcs = [seen.utc(event.raw_ns) for event in seen.events]
    assert utcs == sorted(utcs)
    gap, at = max((after - before, before) for before, after in pairwise(utcs))
    assert 20 * NS_PER_S <= gap < 21 * NS_PER_S
    assert abs(at - seen.world.start_ns - 5 * MINUTE_NS) < NS_PER_S
    assert len(seen.of(PpsEdge)) in (579, 580)


def test_a_real_leap_second():
    seen = Seen(start_s=START_S + 31 * 86_400 - 300, leap_second=True)
    leap_at_s = START_S + 31 * 86_400
    assert seen.header["truth"]["leap"] == [[leap_at_s, 1]]
    for reply in seen.of(NtpReply):
        if reply.data is not None:
            after = seen.utc(reply.t4_raw_ns) - leap_at_s * NS_PER_S
            middle, half = seen.ntp_interval(reply)
            if abs(after) > NS_PER_S:
                assert abs(middle - seen.utc(reply.t4_raw_ns) + (after > 0) * NS_PER_S) <= half
                assert decode(reply.data).leap == (after < 0)
    sent = b"".join(event.data for event in seen.of(SerialBytes))
    assert sent.count(b"GNRMC,235960.00,A") == 1
    assert sent.count(b"GNRMC,000000.00,A") == 1


def test_a_long_world_has_a_short_header():
    world = World(WorldArguments(duration_ns=60 * 86_400 * NS_PER_S))
    assert len(world.counter.utc_at_raw()) < 21_000


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"profile": "nas"}, "profile: expected one of appserver"),
        ({"receiver": "sextant"}, "receiver: expected one of nmea"),
        ({"servers": 13}, "servers: expected 0 to 12"),
        ({"duration_ns": 0}, "duration"),
        ({"start_s": 0}, "start"),
        ({"baud": 300}, "baud"),
        ({"leap_second": True}, "no month ends within this world"),
        ({"attacks": ("nobody",)}, "nobody is called"),
    ],
)
def test_no_such_world(arguments, expected):
    with pytest.raises(ConfigError, match=expected):
        World(WorldArguments(**arguments))


VERB = ["simulate", "--profile", "kdc", "--receiver", "mixed", "--seed", "5", "--duration", "90s"]
EVERYTHING = [*VERB, "--attack", "antenna@30s+10s", "--attack", "pps-miss:30%", "--attack", "reboot:5s@60s"]


def run(python, target, hash_seed):
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONHASHSEED": hash_seed}
    command = [str(python), "-m", "refclock", *EVERYTHING, "--out", str(target)]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    return target.read_bytes()


def test_the_same_bytes_everywhere(tmp_path, other_pythons):
    captures = [run(sys.executable, tmp_path / f"{seed}.jsonl", seed) for seed in ("0", "1")]
    captures += [run(python, tmp_path / "other.jsonl", "2") for python in other_pythons.values()]
    assert len(set(captures)) == 1


def test_the_verb_writes_a_sealed_capture(tmp_path, capsys):
    target = tmp_path / "world.jsonl.gz"
    assert main([*VERB, "--out", str(target)]) == 0
    with CaptureReader(str(target)) as capture:
        events = list(capture)
        assert capture.footer is not None
    header: Any = capture.header
    assert header["world"]["seed"] == 5
    world = World(WorldArguments(receiver="mixed", seed=5, duration_ns=90 * NS_PER_S))
    assert events == list(world.events())
    assert capsys.readouterr() == ("", "")


def test_the_verb_takes_every_option(tmp_path):
    target = tmp_path / "world.jsonl"
    options = [
        "--start",
        "2027-06-30T23:59:00Z",
        "--leap-second",
        "--cold-start",
        "10s",
        "--fresh",
        "--no-pps",
    ]
    options += ["--no-rtc", "--servers", "3", "--baud", "115200", "--attack", "step:+1s@10s"]
    assert main([*VERB, *options, "--out", str(target)]) == 0
    world = json.loads(target.read_text().splitlines()[0])["world"]
    assert world["start_s"] == 1_814_399_940
    assert (world["cold_s"], world["servers"], world["baud"]) == (10, 3, 115_200)
    assert (world["enrolled"], world["pps"], world["rtc"], world["leap_second"]) == (
        False,
        False,
        False,
        True,
    )
    assert world["attacks"] == ["step:+1s@10s"]


@pytest.mark.parametrize("more", [["--attack", "step:much"], ["--start", "tomorrow"], ["--duration", "long"]])
def test_the_verb_explains_what_it_cannot_use(tmp_path, capsys, more):
    assert main([*VERB, "--out", str(tmp_path / "none.jsonl"), *more]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("refclock simulate: ")
    assert "expected" in shown.err
    assert not (tmp_path / "none.jsonl").exists()


def test_help_lists_the_attacks(capsys):
    with pytest.raises(SystemExit):
        main(["simulate", "--help"])
    shown = capsys.readouterr().out
    assert "ramp:20ppm" in shown
    assert "pps-miss:30% " in shown


def test_progress_shows_on_a_terminal_only_when_it_takes_long(tmp_path, capsys, monkeypatch):
    clock = iter(range(0, 10_000, 3))
    monkeypatch.setattr("refclock.cli.simulate.time.monotonic", lambda: next(clock))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main([*VERB, "--out", str(tmp_path / "world.jsonl")]) == 0
    assert "simulated 0 %" in capsys.readouterr().err
