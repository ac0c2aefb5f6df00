"""Receivers on real ptys that mind the speed: at another one each end gets what a UART would make of it.

Each runs in a thread, in this process, so that it is nobody else's line.
"""

import os
import select
import termios
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from refclock.detect.quietline import Setting
from refclock.world import encoders
from refclock.world.chance import Chance
from refclock.world.labels import label_of
from refclock.world.moment import Moment
from refclock.world.voices.table import VOICES

START_S = 1_795_000_000
USUAL = Setting(9600)


def through(data: bytes, sent: Setting, at: Setting, phase_tenths: int = 15) -> bytes:
    """What a UART at one setting receives of bytes sent back to back at another.

    Bits are taken ``phase_tenths`` of a bit length after the edge of the start bit, and every whole one after
    that. A stop bit that is none makes the byte a zero, as Linux hands it on.
    """
    if sent == at:
        return data
    size, parity = int(sent.framing[0]), sent.framing[1]
    line: list[int] = []
    for byte in data:
        bits = [byte >> number & 1 for number in range(size)]
        check = [] if parity == "N" else [(sum(bits) + (parity == "O")) & 1]
        line += [0, *bits, *check, 1]
    line.append(1)  # and idle from then on
    # In units in which both bit lengths are whole.
    theirs, ours = 10 * at.baud, 10 * sent.baud
    wanted = int(at.framing[0])
    stop = wanted + (at.framing[1] != "N")
    got, now, last = bytearray(), 0, len(line) - 1

    def level(when: int) -> int:
        return line[min(when // theirs, last)]

    while True:
        try:
            start = now if level(now) == 0 else line.index(0, now // theirs + 1) * theirs
        except ValueError:
            return bytes(got)
        first = start + sent.baud * phase_tenths
        byte = sum(level(first + ours * number) << number for number in range(wanted))
        now = first + ours * stop
        good = level(now)
        got.append(byte if good else 0)
        if not good:
            now = line.index(1, now // theirs) * theirs


class Personality(threading.Thread):
    """A receiver that talks each ``beat_s`` and answers. ``found`` is the line's setting before we look.

    ``heard`` holds all that it was sent, as it understood it, and ``asked_at`` the settings it was asked at.
    """

    def __init__(
        self,
        setting: Setting,
        talk: Callable[[int], bytes] | None = None,
        answer: Callable[[bytes], bytes] | None = None,
        *,
        found: Setting = USUAL,
        beat_s: float = 0.25,
    ) -> None:
        super().__init__(daemon=True)
        self._setting, self._talk, self._answer, self._beat_s = setting, talk, answer, beat_s
        self.master, slave = os.openpty()
        self.path = os.ttyname(slave)
        # Nobody holds the line's own end, not even we; the master's descriptor shows and sets its settings.
        os.close(slave)
        os.set_blocking(self.master, False)
        flags = termios.tcgetattr(self.master)
        flags[0], flags[1], flags[3] = termios.IXON, 0, 0
        flags[2] = termios.CREAD | termios.HUPCL | {"7": termios.CS7, "8": termios.CS8}[found.framing[0]]
        flags[2] |= 0 if found.framing[1] == "N" else termios.PARENB | termios.PARODD
        flags[4] = flags[5] = getattr(termios, f"B{found.baud}")
        termios.tcsetattr(self.master, termios.TCSANOW, flags)
        self.before = termios.tcgetattr(self.master)
        self.heard = b""
        self.settings: list[Setting] = []
        self._end, self._wake = os.pipe()

    def __enter__(self) -> "Personality":
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        os.write(self._wake, b"x")
        self.join()
        for descriptor in (self.master, self._end, self._wake):
            os.close(descriptor)

    def after(self) -> object:
        """The line's settings now."""
        return termios.tcgetattr(self.master)

    def _now(self) -> Setting:
        _, _, flags, _, speed, _, _ = termios.tcgetattr(self.master)
        baud = next(one for one in (4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800)
                    if getattr(termios, f"B{one}") == speed)  # fmt: skip
        # A pty keeps 8 bits whatever it is told; only one setting in use has parity and 7 bits.
        parity = "O" if flags & termios.PARODD else "N"
        return Setting(baud, f"{7 if parity == 'O' and baud == 19200 else 8}{parity}1")

    def run(self) -> None:
        """Until the end of the test."""
        second, beat_at = START_S, time.monotonic()
        while True:
            wait_s = max(0.0, beat_at - time.monotonic()) if self._talk else 5
            ready = select.select([self.master, self._end], [], [], wait_s)[0]
            if self._end in ready:
                return
            setting = self._now()
            if setting not in self.settings:
                self.settings.append(setting)
            if self.master in ready:
                self._listen(setting)
            if self._talk and time.monotonic() >= beat_at:
                self._say(self._talk(second), setting)
                second, beat_at = second + 1, beat_at + self._beat_s

    def _listen(self, setting: Setting) -> None:
        try:
            said = through(os.read(self.master, 4096), setting, self._setting)
        except OSError:  # nobody has the line open
            time.sleep(0.005)
            return
        self.heard += said
        if self._answer:
            self._say(self._answer(said), setting)

    def _say(self, data: bytes, setting: Setting) -> None:
        with suppress(BlockingIOError):  # nobody listens, and the line's buffer is full
            os.write(self.master, through(data, self._setting, setting))


def voiced(name: str) -> Callable[[int], bytes]:
    """What a voice of the simulated world says each second."""
    voice = VOICES[name].make(Chance(1, "receiver"), START_S)

    def talk(second: int) -> bytes:
        moment = Moment(second)
        coming = label_of(second + 1, None)
        return b"".join(voice.says(label_of(second, None), moment)) + voice.announces(coming, 0, moment)

    return talk


HEADER = (
    b"Status,Alarm,SN,Mode,Contrast,LaserI,TCXO,HeatP,Sig,Temp,Steer,ATune,Phase,DiscOK,TOD,LTime,Ver\r\n"
)
TELEMETRY = (
    b"0,0x0000,1209CS00909,0x0010,4381,0.86,1.573,17.62,0.996,28.26,-24,---,-1,1,1268126502,586969,1.09\r\n"
)


class Csac:
    """A chip-scale cesium: single characters at once, ``!`` commands at their end. It notices an S."""

    def __init__(self, checksums: bool = False) -> None:
        self.synchronised = 0
        self._checksums = checksums
        self._command: bytes | None = None

    def __call__(self, data: bytes) -> bytes:
        reply = b""
        for byte in data:
            one = bytes((byte,))
            if self._command is not None:
                if one in b"\r\n":
                    command, self._command = self._command, None
                    reply += self._long(command)
                else:
                    self._command += one
            elif one == b"!":
                self._command = b""
            else:
                self.synchronised += one == b"S"
                reply += b"" if self._checksums else self._short(one)
        return reply

    def _long(self, command: bytes) -> bytes:
        text, star, _ = command.partition(b"*")
        return self._short(text) if star or not self._checksums else b"?\r\n"

    @staticmethod
    def _short(command: bytes) -> bytes:
        return {b"^": TELEMETRY, b"6": HEADER}.get(command, b"?\r\n")


class Scpi:
    """Echo, answer and prompt; ``says`` maps commands to answers."""

    def __init__(self, says: dict[bytes, bytes], prompt: bytes = b"scpi > ") -> None:
        self._says, self._prompt, self._line = says, prompt, b""

    def __call__(self, data: bytes) -> bytes:
        reply = b""
        for byte in data:
            if byte not in b"\r\n":
                self._line += bytes((byte,))
                continue
            command, self._line = self._line.strip(), b""
            if command:
                reply += command + b"\r\n" + self._says.get(command, b"E-113> ") + b"\r\n" + self._prompt
        return reply


def asked(says: dict[bytes, bytes]) -> Callable[[bytes], bytes]:
    """Answers to a question wherever it stands among the bytes of one write; nothing to anything else."""
    return lambda data: b"".join(reply for question, reply in says.items() if question in data)


def _tsip(packet: bytes) -> bytes:
    return b"\x10" + packet.replace(b"\x10", b"\x10\x10") + b"\x10\x03"


def _with_xor(packet: bytes) -> bytes:
    total = 0
    for byte in packet:
        total ^= byte
    return packet + bytes((total,))


_VERSION = b"ROM CORE 3.01 (107888)".ljust(30, b"\0") + b"00080000".ljust(10, b"\0")
_VERSION += b"FWVER=TIM 1.10".ljust(30, b"\0") + b"MOD=NEO-M8T-0".ljust(30, b"\0")
_CJ = (
    b"COPYRIGHT 1991-2001 MOTOROLA INC.\r\nSFTW P/N # 61-G10002A\r\nMODEL # P273T12T12\r\nSERIAL # P0A1B2\r\n"
)

# name: family, setting, what answers, and what the model must read.
ANSWERING: dict[str, tuple[str, Setting, Callable[[bytes], bytes], str]] = {
    "58503A": ("hp", Setting(9600), Scpi({
        b"*IDN?": b"HEWLETT-PACKARD,58503A,3542A01234,3543-A",
        b":PTIME:TCODE?": b"T2199505112055233000049",
    }), "HEWLETT-PACKARD 58503A"),
    "Z3801A": ("hp", Setting(19200, "7O1"), Scpi({
        b"*IDN?": b"HEWLETT-PACKARD,Z3801A,3606A00998,3543-A",
        b":PTIME:TCODE?": b"T2199505112055233000049",
    }), "HEWLETT-PACKARD Z3801A"),
    "5071A": ("5071a", Setting(38400), Scpi({
        b"*IDN?": b"HEWLETT-PACKARD,5071A,3249A00123,3.05", b"PTIM:MJD?": b"+60000",
    }), "HEWLETT-PACKARD 5071A"),
    "Fury": ("jackson-labs", Setting(115200), Scpi({
        b"*IDN?": b"Jackson-Labs, Fury GPSDO, 0, 1.22",
        b"PTIME?": b"PTIME DATE: 2026,11,23\r\n20,11,05",
    }), "Jackson-Labs Fury GPSDO"),
    "SA5X": ("sa5x", Setting(57600), asked({
        b"{device?|27}": b"[=sa5x|62]\r\n", b"{swrev?|5A}": b"[!2]\r\n",
    }), "SA5X"),
    "NEO-M8T": ("ubx", Setting(9600), asked({
        b"\xb5\x62\x0a\x04\x00\x00\x0e\x34": encoders.ubx(0x0A, 0x04, _VERSION),
        b"\xb5\x62\x01\x21\x00\x00\x22\x67": encoders.ubx(0x01, 0x21, bytes(20)),
    }), "NEO-M8T-0"),
    "Thunderbolt": ("tsip", Setting(9600), asked({
        b"\x10\x1f\x10\x03": _tsip(b"\x45\x03\x00\x07\x15\x05\x0a\x02\x0c\x11\x04"),
        b"\x10\x21\x10\x03": _tsip(b"\x41" + bytes(10)),
    }), "TSIP receiver"),
    "Palisade": ("tsip", Setting(9600, "8O1"), asked({
        b"\x10\x1f\x10\x03": _tsip(b"\x45\x07\x02\x0b\x10\x05\x0a\x02\x0c\x11\x04"),
        b"\x10\x21\x10\x03": _tsip(b"\x41" + bytes(10)),
    }), "TSIP receiver"),
    "RES 720": ("tsip1", Setting(115200), asked({
        b"\x10\x90\x01\x00\x02\x00\x93\x10\x03": _tsip(_with_xor(b"\x90\x01\x00\x06\x02\x01\x02\x03\x04")),
        b"\x10\x93\x00\x00\x02\x00\x91\x10\x03": _tsip(_with_xor(b"\x93\x00\x00\x04\x02\x01\x02")),
    }), "TSIP v1 receiver"),
    "Oncore": ("oncore", Setting(9600), asked({
        b"@@Cj)\r\n": b"@@" + _with_xor(b"Cj" + _CJ.ljust(287)) + b"\r\n",
        b"@@Aw\xff\xc9\r\n": b"@@" + _with_xor(b"Aw\x01") + b"\r\n",
    }), "Oncore P273T12T12"),
    "PRS10": ("prs10", Setting(9600), asked({
        b"\rID?\r": b"PRS10_3.24_SN_12345\r", b"TT?\r": b"123456789\r",
    }), "PRS10"),
    "MT3339": ("nmea", Setting(9600), asked({
        b"$PMTK605*31\r\n": encoders.nmea("PMTK705,AXN_2.31_3339_13101700,5632,PA6H,1.0"),
        b"$PMTK414*33\r\n": encoders.nmea("PMTK514,0,1,0,1,1,5,0,0,0,0,0,0,0,0,0,0,0,0,0"),
    }), ""),
}  # fmt: skip
