"""What the voices that are asked have in common: a command line, its echo and its prompt."""

from refclock.units import NS_PER_MS
from refclock.world.chance import Chance
from refclock.world.voices.voice import Now, Voice

_THINKS_NS = 12 * NS_PER_MS
_LONGEST = 400


class Asked(Voice):
    """Collects a command up to CR or LF and answers it. ``heard`` are all commands, in order."""

    echoes = False
    terminator = b"\r\n"

    def __init__(self, chance: Chance, start_s: int) -> None:
        super().__init__(chance, start_s)
        self._typed = b""
        self.heard: list[bytes] = []

    def hears(self, data: bytes, now: Now) -> list[tuple[int, bytes]]:
        answers: list[tuple[int, bytes]] = []
        for byte in data:
            if byte not in b"\r\n":
                self._typed = (self._typed + bytes((byte,)))[-_LONGEST:]
                continue
            command, self._typed = self._typed, b""
            answers += self._obeys(command, now)
        return answers

    def _obeys(self, command: bytes, now: Now) -> list[tuple[int, bytes]]:
        prompt = self.prompt()
        echo = command + b"\r\n" if self.echoes else b""
        if not command:
            return [(_THINKS_NS, echo + prompt)] if prompt else []
        self.heard.append(command)
        delay_ns, answer = self.answer(command.decode("latin-1"), now)
        said = b"" if answer is None else answer.encode("ascii") + self.terminator
        whole = echo + said + self.prompt()
        return [(_THINKS_NS + delay_ns, whole)] if whole else []

    def prompt(self) -> bytes:
        """What stands behind an answer."""
        return b""

    def answer(self, command: str, now: Now) -> tuple[int, str | None]:
        """The answer to one command, and how long (ns) it takes; None for a command that has none."""
        return 0, None


class Scpi(Asked):
    """With an echo, and a prompt that shows an error until somebody asks for it."""

    echoes = True
    identity = ""
    asks: tuple[str, ...] = ()

    def __init__(self, chance: Chance, start_s: int) -> None:
        super().__init__(chance, start_s)
        self._error = 0

    def prompt(self) -> bytes:
        return b"scpi > " if not self._error else b"E%d> " % self._error

    def answer(self, command: str, now: Now) -> tuple[int, str | None]:
        name = command.strip().upper()
        if name == "*IDN?":
            return 0, self.identity
        if name in (":SYST:ERR?", "SYST:ERR?"):
            self._error = 0
            return 0, '+0,"No error"'
        delay_ns, told = self.asked(name, now)
        if told is None:
            self._error = -113  # undefined header; it stays in the prompt
        return delay_ns, told

    def asked(self, name: str, now: Now) -> tuple[int, str | None]:
        """The family's own questions."""
        return 0, None
