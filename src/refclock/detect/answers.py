"""What the receivers answer to the questions of refclock.detect.probe: pure functions of the bytes received.

Each takes what came after the question, echo and other talk included, and gives who answered, or None. Only
a whole answer whose checksum (where there is one) is right counts, and never the question itself.
"""

import re
from dataclasses import dataclass
from functools import reduce
from operator import xor


@dataclass(frozen=True, slots=True)
class Answer:
    """Who answered, as far as the answer tells. ``family`` where the same question is put to several."""

    family: str = ""
    model: str = ""
    serial: str = ""
    firmware: str = ""


_SCPI_MAKERS = re.compile(r"HEWLETT|\bHP\b|AGILENT|SYMMETRICOM|DATUM|MICROSEMI|MICROCHIP|JACKSON", re.I)
_SCPI_FAMILIES = (
    ("5071a", re.compile(r"5071", re.I)),
    ("jackson-labs", re.compile(r"JACKSON", re.I)),
    ("hp", re.compile(r"58503|59551|Z380[1-9]|Z381[0-9]", re.I)),
)
_TELEMETRY = re.compile(rb"(?:^|[\r\n])\d+,0x[0-9A-F]{4},(\w+),0x[0-9A-F]{4}((?:,[^,\r\n]*){9,})[\r\n]", re.I)
_HEADER = re.compile(rb"Status,\s*Alarms?,\s*SN,\s*Mode,", re.I)
_BRACES = re.compile(rb"\[(=[^|\]]*)\|([0-9A-Fa-f]{2})\]")
_BRACES_ANY = re.compile(rb"\[(?:=[^\]]*|![0-9]+)\]")
_PRS10 = re.compile(rb"PRS_?10_([0-9.]+)_SN_(\w+)")
_NUMBER = re.compile(rb"(?:^|[\r\n])\s*[+-]?\d+(?:\.\d+)?\s*[\r\n]")
_TCODE = re.compile(rb"T(?:1#H[0-9A-F]{8}|2[0-9]{14})")
_SENTENCE = re.compile(rb"\$([^$*\r\n]{3,100})\*([0-9A-Fa-f]{2})")
_UBX_HEAD = b"\xb5\x62"
_DLE, _ETX = 0x10, 0x03
_RESPONSE = 2  # TSIP version 1; a query has mode 0
_ASKS = b"\xff"  # where an Oncore's question has it, the answer has data


def telemetry(data: bytes) -> Answer | None:
    """A CSAC's answer to ``^``: Status,Alarm,SN,Mode,... the version last."""
    found = _TELEMETRY.search(data)
    return Answer("", "CSAC", _text(found[1]), _text(found[2].rsplit(b",", 1)[1])) if found else None


def header(data: bytes) -> Answer | None:
    """A CSAC's answer to ``6``: the names of the telemetry's columns."""
    return Answer() if _HEADER.search(data) else None


def braces(data: bytes) -> Answer | None:
    """``[=sa5x|62]``: the checksum is the exclusive or of what stands before the bar."""
    for found in _BRACES.finditer(data):
        if reduce(xor, found[1]) == int(found[2], 16):
            return Answer(model=_text(found[1][1:]).upper())
    return None


def braces_any(data: bytes) -> Answer | None:
    """An answer or an error code in the same brackets."""
    return Answer() if _BRACES_ANY.search(data) else None


def identification(data: bytes) -> Answer | None:
    """The answer to ``*IDN?``: maker,model,serial,firmware, of one of the known makers of clocks."""
    for line in re.split(rb"[\r\n]+", data):
        fields = [_text(field) for field in line.split(b">")[-1].split(b",")]
        if len(fields) < 3 or not _SCPI_MAKERS.search(fields[0]):
            continue
        model = " ".join(fields[:2])
        for family, pattern in _SCPI_FAMILIES:
            if pattern.search(model):
                return Answer(family, model, fields[2], fields[3] if len(fields) > 3 else "")
    return None


def time_code(data: bytes) -> Answer | None:
    """``T1#H...`` or ``T2yyyymmddhhmmss...``."""
    return Answer() if _TCODE.search(data) else None


def number(data: bytes) -> Answer | None:
    """A number alone on a line."""
    return Answer() if _NUMBER.search(data) else None


def clock_reading(data: bytes) -> Answer | None:
    """Any line of digits with signs between, as ``PTIME?`` gives them."""
    return Answer() if re.search(rb"(?:^|[\r\n>])\s*[+-]?\d+[,:]\s*[+-]?\d+", data) else None


def prs10(data: bytes) -> Answer | None:
    """``PRS10_3.24_SN_12345``."""
    found = _PRS10.search(data)
    return Answer("", "PRS10", _text(found[2]), _text(found[1])) if found else None


def sentence(*starts: str) -> "Sentence":
    """An NMEA sentence that begins with one of these."""
    return Sentence(starts)


class Sentence:
    """See sentence()."""

    def __init__(self, starts: tuple[str, ...]) -> None:
        self._starts = starts

    def __call__(self, data: bytes) -> Answer | None:
        for found in _SENTENCE.finditer(data):
            text = _text(found[1])
            if text.startswith(self._starts) and reduce(xor, found[1], 0) == int(found[2], 16):
                fields = text.split(",")
                told = fields[1] if fields[0] in ("PMTK705", "PQTMVERNO") and len(fields) > 1 else ""
                return Answer(firmware=told)
        return None


def version_ubx(data: bytes) -> Answer | None:
    """MON-VER: firmware, hardware, and extensions such as MOD=NEO-M8T, 30 characters each."""
    payload = _ubx(data, b"\x0a\x04")
    if payload is None or len(payload) < 40:
        return None
    extensions = [_text(payload[at : at + 30]) for at in range(40, len(payload), 30)]
    model = next((one[4:] for one in extensions if one.startswith("MOD=")), "")
    firmware = next((one[6:] for one in extensions if one.startswith("FWVER=")), _text(payload[:30]))
    return Answer("", model or f"u-blox, hardware {_text(payload[30:40])}", "", firmware)


def time_ubx(data: bytes) -> Answer | None:
    """NAV-TIMEUTC, polled."""
    return Answer() if len(_ubx(data, b"\x01\x21") or b"") == 20 else None


def _ubx(data: bytes, kind: bytes) -> bytes | None:
    """The payload of the first good frame of a kind."""
    at = data.find(_UBX_HEAD + kind)
    while at >= 0:
        size = int.from_bytes(data[at + 4 : at + 6], "little")
        body, sums = data[at + 2 : at + 6 + size], data[at + 6 + size : at + 8 + size]
        first = second = 0
        for byte in body:
            first = (first + byte) & 0xFF
            second = (second + first) & 0xFF
        if len(sums) == 2 and sums == bytes((first, second)):
            return body[4:]
        at = data.find(_UBX_HEAD + kind, at + 1)
    return None


def _packets(data: bytes) -> list[bytes]:
    """The packets between DLE and DLE ETX, doubled DLEs undone (TSIP)."""
    found, packet, inside, at = [], bytearray(), False, 0
    while at < len(data):
        byte, after = data[at], data[at + 1] if at + 1 < len(data) else -1
        at += 1
        if byte != _DLE:
            if inside:
                packet.append(byte)
        elif after == _DLE:
            at += 1
            packet.append(_DLE)
        elif inside and after == _ETX:
            at += 1
            found.append(bytes(packet))
            inside = False
        else:
            inside, packet = True, bytearray()
    return found


def version_tsip(data: bytes) -> Answer | None:
    """0x45: application and core versions with their dates, ten bytes."""
    for packet in _packets(data):
        if (
            len(packet) == 11
            and packet[0] == 0x45
            and packet[3] in range(1, 13)
            and packet[4] in range(1, 32)
        ):
            return Answer("", "TSIP receiver", "", f"{packet[1]}.{packet[2]}")
    return None


def time_tsip(data: bytes) -> Answer | None:
    """0x41: GPS time of week, week and offset, ten bytes."""
    return Answer() if any(len(one) == 11 and one[0] == 0x41 for one in _packets(data)) else None


def packet_tsip1(packet_id: int) -> "PacketTsip1":
    """A packet of TSIP version 1: id, sub-id, length, mode, data, exclusive or."""
    return PacketTsip1(packet_id)


class PacketTsip1:
    """See packet_tsip1()."""

    def __init__(self, packet_id: int) -> None:
        self._id = packet_id

    def __call__(self, data: bytes) -> Answer | None:
        for packet in _packets(data):
            if (
                len(packet) >= 6
                and packet[0] == self._id
                and packet[4] == _RESPONSE
                and int.from_bytes(packet[2:4], "big") == len(packet) - 4
                and reduce(xor, packet) == 0
            ):
                return Answer(model="TSIP v1 receiver")
        return None


def oncore(kind: bytes, size: int) -> "Oncore":
    """A message of Motorola's: @@, two letters, data, exclusive or, CR LF; ``size`` bytes in all."""
    return Oncore(kind, size)


class Oncore:
    """See oncore()."""

    def __init__(self, kind: bytes, size: int) -> None:
        self._head, self._size = b"@@" + kind, size

    def __call__(self, data: bytes) -> Answer | None:
        at = data.find(self._head)
        while at >= 0:
            whole = data[at : at + self._size]
            good = len(whole) == self._size and whole.endswith(b"\r\n") and reduce(xor, whole[2:-2]) == 0
            if good and not whole.startswith(_ASKS, len(self._head)):
                found = re.search(rb"MODEL\s*#?\s*(\w+)", whole)
                return Answer(model=f"Oncore {_text(found[1])}" if found else "Oncore")
            at = data.find(self._head, at + 1)
        return None


def _text(data: bytes) -> str:
    """What a device says of itself, so that it can be shown: printable ASCII."""
    return "".join(chr(byte) if 32 <= byte < 127 else "" for byte in data).strip()
