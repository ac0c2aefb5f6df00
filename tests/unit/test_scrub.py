"""Taking the antenna's place out of what a receiver said: none of it is left, the seconds are the same."""

import json
from dataclasses import replace

import pytest
from streams import seconds

from refclock.capture import CaptureReader, CaptureWriter
from refclock.cli import main
from refclock.model import Command, SerialBytes, SerialSent, SystemClock
from refclock.wire import nmea, scrub
from refclock.wire.families import AUTO, FAMILIES
from refclock.wire.report import Health, Label, Report
from refclock.wire.scanner import Scanner
from refclock.wire.ubx import checksum
from refclock.world import World, WorldArguments
from refclock.world.scenario import BUILD_S
from refclock.world.voices.table import DATED, VOICES

# Voices of families that it has been taught; the captures of others are refused.
TAUGHT = [name for name in DATED if VOICES[name].protocol in (AUTO, *scrub._SCRUBBERS)]


def scrubbed(data: bytes, protocol: str) -> bytes:
    found = list(scrub.pieces(data, protocol))
    assert [start for start, _, _ in found] == [0, *(end for _, end, _ in found[:-1])]
    assert found[-1][1] == len(data)
    return b"".join(new for _, _, new in found)


def heard(data: bytes, protocol: str) -> list[Report]:
    """Reports without their place in the stream, and healths without one on earth."""
    scanner = Scanner(protocol)
    reports = [replace(one, start=0, end=0) for one in scanner.feed(data) + scanner.finish()]
    return [replace(one, position=None) if isinstance(one, Health) else one for one in reports]


def sentence(body: bytes) -> bytes:
    return b"$%s*%02X\r\n" % (body, nmea.checksum(body))


def frame(key: int, payload: bytes) -> bytes:
    covered = key.to_bytes(2, "big") + len(payload).to_bytes(2, "little") + payload
    return b"\xb5\x62" + covered + bytes(checksum(covered))


@pytest.mark.parametrize("voice", TAUGHT)
def test_the_seconds_stay_and_the_place_goes(voice):
    protocol = VOICES[voice].protocol
    data = b"".join(seconds(voice, 30))
    clean = scrubbed(data, protocol)
    assert heard(clean, protocol) == heard(data, protocol)
    assert any(isinstance(one, Label) for one in heard(clean, protocol))
    places = Scanner(protocol)
    assert {one.position for one in places.feed(clean) if isinstance(one, Health)} <= {None, (0, 0)}
    # Twice is once; and two receivers in different places cannot be told apart.
    assert scrubbed(clean, protocol) == clean


def elsewhere(voice: str, north_m: int) -> bytes:
    attacks = (f"position:{north_m:+}@0",)
    world = World(WorldArguments(receiver=voice, attacks=attacks, duration_ns=20 * 10**9))
    return b"".join(event.data for event in world.events() if isinstance(event, SerialBytes))


@pytest.mark.parametrize("voice", TAUGHT)
def test_two_receivers_in_different_places_cannot_be_told_apart(voice):
    protocol = VOICES[voice].protocol
    here, there = (scrubbed(elsewhere(voice, north_m), protocol) for north_m in (0, 654_321))
    assert here == there


def test_the_string_for_ntp_tells_a_place():
    data = b"\x0229.02.24; 4; 12:34:56; +00:00;        ; 49.5736N  11.0280E  371m\x03"
    clean = scrubbed(data, "meinberg")
    assert clean == data[:40] + b"  0.0000N   0.0000E    0m\x03"
    short = b"\x02D:29.02.24;T:4;U:12.34.56;  U \x03"
    assert scrubbed(short, "meinberg") == short


def test_a_sentence_without_a_checksum_gets_none():
    data = b"$GPGGA,222449,3349.0337,S,01843.9282,E,1,07,02.31,000115.4,M,0033.3,M,,\r\n$GPGSV,3,1,09,07\n"
    clean = scrubbed(data, "nmea-unchecked")
    assert clean == (
        b"$GPGGA,222449,0000.0000,N,00000.0000,E,1,07,02.31,000000.0,M,0000.0,M,,\r\n$PSCRUB,00000000\n"
    )
    good = sentence(b"GPGLL,4900.0,N,00800.0,E,123456,A,D")
    assert scrubbed(good, "nmea-unchecked") == sentence(b"GPGLL,0000.0,N,00000.0,E,123456,A,D")


@pytest.mark.parametrize(
    "body",
    [b"PFEC,GPtps,101025222449,3,1,1,090101000000,00,15,101025162124,1607,167104",
     b"PJLTS,-0.39,-2.74,157848,6,2.5829535,86.0984,-1.0E-12,0,17,0x0", b"PTNTA,20000102173852,1,T4,,,6,1,0"],
)  # fmt: skip
def test_what_a_clock_says_of_itself_stays(body):
    assert scrubbed(sentence(body), "nmea") == sentence(body)


def test_every_family_is_known():
    """Or its captures are refused."""
    unknown = {
        name for name, family in FAMILIES.items() if name not in scrub._SCRUBBERS and not family.polled
    }
    assert not unknown


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"GPRMC,123456.00,A,4812.5,S,01622.4,W,0.1,77.5,290224,3.5,E,A",
         b"GPRMC,123456.00,A,0000.0,N,00000.0,E,0.1,77.5,290224,0.0,E,A"),
        (b"GNGGA,123456,4812.5,S,01622.4,W,1,08,1.0,-99.6,M,48.0,M,,",
         b"GNGGA,123456,0000.0,N,00000.0,E,1,08,1.0,000.0,M,00.0,M,,"),
        (b"GPGLL,4812.5,N,01622.4,E,123456,A,D", b"GPGLL,0000.0,N,00000.0,E,123456,A,D"),
        (b"GNGNS,123456,4812.5,N,01622.4,E,AN,08,1.0,499.6,48.0,,",
         b"GNGNS,123456,0000.0,N,00000.0,E,AN,08,1.0,000.0,00.0,,"),
        (b"PGRMF,255,390914,290224,123456,18,4812.5,N,01622.4,E,A,1,0,0,1,1",
         b"PGRMF,255,390914,290224,123456,18,0000.0,N,00000.0,E,A,1,0,0,1,1"),
        (b"GPZDA,123456,29,02,2024,,", b"GPZDA,123456,29,02,2024,,"),
        (b"PUBX,04,123456.00,290224,390896.00,2303,18D,1000,-1.5,21,",
         b"PUBX,04,123456.00,290224,390896.00,2303,18D,1000,-1.5,21,"),
        (b"PUBX,00,123456,4812.5,N", b"PSCRUB,0000000000000000"),
        (b"GPGSV,1,1,01,23,38,230,44", b"PSCRUB,000000000000000000"),
        (b"GPRMC,1", b"GPRMC,1"),
        (b"GP", b"PS"),
    ],
)  # fmt: skip
def test_sentences(body, expected):
    assert scrubbed(sentence(body), "nmea") == sentence(expected)


def test_ubx():
    pvt = bytes(range(1, 93))
    assert scrubbed(frame(0x0107, pvt), "ubx") == frame(0x0107, pvt[:24] + bytes(16) + pvt[40:])
    solution = bytes(range(1, 53))
    assert scrubbed(frame(0x0106, solution), "ubx") == frame(
        0x0106, solution[:12] + bytes(12) + solution[24:]
    )
    assert scrubbed(frame(0x0102, bytes(range(28))), "ubx") == frame(0x0102, bytes(28))
    assert scrubbed(frame(0x0D01, bytes(range(16))), "ubx") == frame(0x0D01, bytes(range(16)))


def test_foreign_frames_lose_all_but_their_numbers():
    sirf = bytes.fromhex("a0a20003290102002cb0b3")
    assert scrubbed(sirf, "sirf") == bytes.fromhex("a0a200032900000029b0b3")
    garmin = (
        bytes.fromhex("1033021010107a1003")[:0]
        + b"\x10\x33\x02\x07\x05"
        + bytes((-(0x33 + 2 + 12) & 255,))
        + b"\x10\x03"
    )
    assert scrubbed(garmin, "garmin") == b"\x10\x33\x02\0\0" + bytes((-(0x33 + 2) & 255,)) + b"\x10\x03"


def test_what_is_no_frame_becomes_zeros():
    good = sentence(b"GPZDA,123456,29,02,2024,,")
    data = b"4812.5,N\r\n" + good + b"$GPGGA,1,4812" + good + b"\xb5\x62\x01\x07" + good[:9]
    clean = scrubbed(data, "auto")
    assert clean == bytes(10) + good + bytes(13) + good + bytes(13)
    assert scrubbed(b"$$", "nmea") == bytes(2)


# ---- the verb -------------------------------------------------------------------------------------------


def capture(path, receiver="nmea", protocol=None, **options):
    world = World(WorldArguments(receiver=receiver, duration_ns=30 * 10**9, seed=4, **options))
    header = world.header()
    if protocol is not None:
        header = {**header, "ports": {"gps0": {"kind": "serial", "protocol": protocol}}}
    host = {"name": "simulated", "build_utc_s": BUILD_S, "boot_id": "ab-cd"}
    with CaptureWriter(str(path), {**header, "host": host}) as writer:
        for event in world.events():
            writer.write(event)
        last = (event.raw_ns, event.real_ns, 1)
        writer.write(SerialSent(*last, "gps0", b"secret"))
        writer.write(Command(*last, "note", {"kept": [{"boot_id": "ab-cd", "n": 3}]}))
        writer.write(SystemClock(*last, 0, 10_000, 0, 0, 37, "tsc", "ab-cd"))
    return path


def events(path):
    with CaptureReader(str(path)) as reader:
        return reader.header, list(reader)


@pytest.mark.parametrize("receiver", TAUGHT)
def test_a_scrubbed_capture_gives_the_same_decisions(tmp_path, capsys, receiver):
    source, target = capture(tmp_path / "in.jsonl", receiver), tmp_path / "out.jsonl.xz"
    assert main(["scrub", str(source), "--out", str(target)]) == 0
    assert 'still in the header: servers = ["ntp1:123"' in capsys.readouterr().err
    told = []
    for path in (source, target):
        main(["replay", str(path), "--decisions"])
        told.append(capsys.readouterr().out)
    assert told[0] == told[1]
    header, found = events(target)
    assert header["scrubbed"] is True
    assert header["host"]["boot_id"] == "00000000-0000-0000-0000-000000000001"
    assert "ab-cd" not in json.dumps(header)
    sent, command, look = found[-3:]
    assert sent.data == bytes(6)
    assert command.args == {"kept": [{"boot_id": header["host"]["boot_id"], "n": 3}]}
    assert look.boot_id == header["host"]["boot_id"]
    # The bytes arrive when they did, as many as they were.
    before = [(one.raw_ns, len(one.data)) for one in events(source)[1] if isinstance(one, SerialBytes)]
    after = [(one.raw_ns, len(one.data)) for one in found if isinstance(one, SerialBytes)]
    assert sum(size for _, size in after) <= sum(size for _, size in before) + len(before)
    assert {at for at, _ in after} <= {at for at, _ in before}


def test_a_host_s_name_goes_and_an_unknown_protocol_is_searched(tmp_path, capsys):
    source = capture(tmp_path / "in.jsonl", protocol="something")
    text = source.read_text().replace('"name":"simulated"', '"name":"kdc1.example"', 1)
    lines = text.splitlines(keepends=True)[:-1]
    source.write_text("".join(lines))
    assert main(["scrub", str(source), "--out", str(tmp_path / "out.jsonl")]) == 0
    header, found = events(tmp_path / "out.jsonl")
    assert "kdc1" not in json.dumps(header)
    assert any(isinstance(one, SerialBytes) and b"RMC" in one.data for one in found)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["scrub", "-", "--out", "x"], "it is read twice"),
        (["scrub", "same", "--out", "same"], "expected another file"),
    ],
)
def test_what_cannot_be_scrubbed(words, problem, capsys):
    assert main(words) == 2
    assert problem in capsys.readouterr().err


def test_a_line_without_a_good_frame_is_refused(tmp_path, capsys):
    source = capture(tmp_path / "in.jsonl", protocol="ubx")
    assert main(["scrub", str(source), "--out", str(tmp_path / "out.jsonl")]) == 2
    assert "gps0: no good frame of ubx" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["1e999", "[" * 900 + "]" * 900])
def test_what_cannot_be_written_anew(tmp_path, capsys, value):
    source = capture(tmp_path / "in.jsonl")
    head, *rest = source.read_text().splitlines()[:-1]
    strange = f'{{"k":"cmd","raw":1,"real":2,"unc":3,"verb":"x","y":{value}}}'
    source.write_text("\n".join([head, strange, *rest]) + "\n")
    assert main(["scrub", str(source), "--out", str(tmp_path / "out.jsonl")]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"refclock scrub: {source}:2: nested too deeply")
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "expected a JSON object"),
        ("[1]", "found list"),
        ('{"ports":{},"licence":"x"}', "ports: decides how it replays"),
        (None, "No such file"),
    ],
)
def test_a_header_that_cannot_be_added(tmp_path, capsys, text, problem):
    if text is not None:
        (tmp_path / "more.json").write_text(text)
    source = capture(tmp_path / "in.jsonl")
    words = [
        "scrub",
        str(source),
        "--out",
        str(tmp_path / "out.jsonl"),
        "--header",
        str(tmp_path / "more.json"),
    ]
    assert main(words) == 2
    assert problem in capsys.readouterr().err
    assert not (tmp_path / "out.jsonl").exists()


def test_a_person_s_words_go_into_the_header(tmp_path):
    more = {"licence": "CC0-1.0", "fixture": {"vendor": "someone", "case": "cold-start"}}
    (tmp_path / "more.json").write_text(json.dumps(more))
    source, target = capture(tmp_path / "in.jsonl"), tmp_path / "out.jsonl"
    assert main(["scrub", str(source), "--out", str(target), "--header", str(tmp_path / "more.json")]) == 0
    header, _ = events(target)
    assert {key: header[key] for key in more} == more


def test_gpsd_s_objects_keep_what_is_named():
    tpv = (
        b'{"class":"TPV","device":"/dev/ttyACM0","mode":3,"time":"2026-11-23T06:35:28.000Z","leapseconds":18,'
        b'"ept":0.005,"lat":48.208300000,"lon":16.373100000,"altHAE":213.5,"ecefx":4085.1,"ant":3}\r\n'
    )
    sky = b'{"class":"SKY","device":"/dev/ttyACM0","satellites":[{"PRN":3,"el":41.0,"az":210.0}]}\r\n'
    clean = scrubbed(tpv + sky, "gpsd")
    assert len(clean) == len(tpv + sky)
    assert not any(word in clean for word in (b"48.2", b"16.3", b"213.5", b"4085", b"210.0", b"PRN"))
    assert heard(clean, "gpsd") == heard(tpv + sky, "gpsd")
    assert scrubbed(clean, "gpsd") == clean
    assert json.loads(clean.splitlines()[1]) == {"class": "ERROR"}


def test_time_codes_hold_no_position():
    data = b"\x02D:18.12.23;T:1;U:22.09.52;  U \x03"
    assert scrubbed(b"-" + data, "meinberg") == b"\0" + data


def test_a_family_that_nobody_taught_is_refused(tmp_path, capsys, monkeypatch):
    source = capture(tmp_path / "in.jsonl")
    monkeypatch.delitem(scrub._SCRUBBERS, "nmea")
    assert main(["scrub", str(source), "--out", str(tmp_path / "out.jsonl")]) == 2
    assert "take the position out of protocol 'nmea'" in capsys.readouterr().err
