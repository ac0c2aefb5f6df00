"""SiRF and Garmin binary: recognised, told to the operator, and never taken for time."""

import pytest

from refclock.cli import main
from refclock.core.bridge import Bridge
from refclock.model import SerialBytes, Withhold
from refclock.policy import parse_policy
from refclock.units import NS_PER_MS, NS_PER_S
from refclock.wire.families import FAMILIES
from refclock.wire.nmea import checksum
from refclock.wire.report import Foreign
from refclock.wire.scanner import Scanner


def sirf(payload: bytes) -> bytes:
    total = sum(payload) & 0x7FFF
    return b"\xa0\xa2" + len(payload).to_bytes(2, "big") + payload + total.to_bytes(2, "big") + b"\xb0\xb3"


def garmin(kind: int, data: bytes) -> bytes:
    body = bytes((kind, len(data))) + data
    body += bytes((-sum(body) & 0xFF,))
    return b"\x10" + body.replace(b"\x10", b"\x10\x10") + b"\x10\x03"


SIRF, GARMIN = sirf(b"\x29" + bytes(90)), garmin(0x33, bytes(range(64)))
# What Garmin's manual prints: 10 0A 02 26 00 CE 10 03.
ORDER = bytes.fromhex("100a022600ce1003")


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("sirf", SIRF, "MID 41"),
        ("garmin", GARMIN, "id 51"),
        ("garmin", ORDER, "id 10"),
        ("garmin", garmin(0x10 + 5, b"\x10"), "id 21"),
    ],
)
def test_frames_are_recognised(name, data, message):
    for protocols in (name, "auto"):
        scanner = Scanner(protocols)
        assert [one for at in range(len(data)) for one in scanner.feed(data[at : at + 1])] == [
            Foreign(name, message, 0, len(data))
        ]
        assert scanner.counters.skipped_bytes == 0


@pytest.mark.parametrize(
    ("name", "data", "damaged"),
    [
        ("sirf", SIRF[:10] + b"\x01" + SIRF[11:], 1),
        ("sirf", SIRF[:-1] + b"\xb4", 0),
        ("sirf", b"\xa0\xa2\x00\x00", 0),
        ("sirf", b"\xa0\xa2\xff\xff", 0),
        ("sirf", b"\xa0\xa2\x00", 0),
        ("sirf", SIRF[:40], 0),
        ("sirf", b"\xa0", 0),
        ("garmin", GARMIN[:10] + b"\x01" + GARMIN[11:], 1),
        ("garmin", GARMIN[:-1] + b"\x04", 0),
        ("garmin", b"\x10\x33\x10\x03", 0),
        ("garmin", b"\x10", 0),
    ],
)
def test_what_is_no_frame(name, data, damaged):
    scanner = Scanner(name)
    assert scanner.feed(data) + scanner.finish() == []
    assert scanner.counters.damaged[name] == damaged
    good = SIRF if name == "sirf" else GARMIN
    again = Scanner(name)
    assert len(again.feed(data[:3] + good) + again.finish()) == 1


@pytest.mark.parametrize(("name", "data"), [("sirf", SIRF), ("garmin", GARMIN)])
def test_decode_says_how_to_switch_it(tmp_path, capsys, name, data):
    path = tmp_path / "some.log"
    path.write_bytes(data * 3)
    assert main(["decode", str(path)]) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert f"3 good frames of {FAMILIES[name].title}, not read: switch it to NMEA" in told.err
    assert told.err.count("\n") == 1


def heard(protocol: str, *chunks: tuple[int, bytes]) -> list[tuple[int, str]]:
    """Withheld: when (ms) and why, of chunks that arrive at so many ms."""
    bridge = Bridge(parse_policy(f'[receiver]\nprotocol = "{protocol}"'), 0)
    found = []
    for at_ms, data in chunks:
        raw_ns = NS_PER_S + at_ms * NS_PER_MS
        for decision in bridge.step(SerialBytes(raw_ns, raw_ns, 100, "gps0", data)):
            if isinstance(decision, Withhold):
                found.append(((decision.raw_ns - NS_PER_S) // NS_PER_MS, decision.reason))
    return found


@pytest.mark.parametrize("protocol", ["auto", "sirf"])
def test_the_core_complains_once_a_second(protocol):
    chunks = [(at_ms, SIRF) for at_ms in (0, 10, 500, 1000, 1010, 2500)]
    assert heard(protocol, *chunks) == [(0, "not-read"), (1000, "not-read"), (2500, "not-read")]


def test_beside_nmea_it_is_passed_over():
    body = b"GPRMC,123456.00,A,,,,,,,290224,,,A"
    rmc = b"$%s*%02X\r\n" % (body, checksum(body))
    assert "not-read" not in [why for _, why in heard("auto", (0, rmc), (100, GARMIN), (2900, GARMIN))]
    assert heard("auto", (0, rmc), (3100, GARMIN))[-1] == (3100, "not-read")
