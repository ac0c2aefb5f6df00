"""One line, looked at from the outside in: who has it, what it says by itself, and, where permitted, what it
answers; then what to configure."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from refclock.detect.devices import Line
from refclock.detect.probe import Found, identify, probe
from refclock.detect.quietline import QuietLine, Setting
from refclock.detect.sniff import Heard, Tell, settings_for, sniff
from refclock.errors import PortError
from refclock.wire.families import FAMILIES, is_standard

# How a look ended.
HELD, CONSOLE, REFUSED = "held", "console", "refused"
SPEAKS, ANSWERS, UNKNOWN, SILENT = "speaks", "answers", "unknown", "silent"


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one line. ``why`` says what kept it from being looked at."""

    line: Line
    outcome: str
    why: str = ""
    heard: Heard = field(default_factory=Heard)
    found: Found | None = None

    @property
    def receiver(self) -> bool:
        """True for a receiver that is recognised."""
        return self.outcome in (SPEAKS, ANSWERS)

    @property
    def family(self) -> str:
        """What it speaks; empty when unknown."""
        return self.found.family if self.outcome == ANSWERS and self.found else self.heard.family

    @property
    def setting(self) -> Setting | None:
        """The setting at which it does."""
        return self.found.setting if self.outcome == ANSWERS and self.found else self.heard.setting

    @property
    def title(self) -> str:
        """The family for people."""
        row = FAMILIES.get(self.family)
        return row.title if row else self.found.title if self.found else self.family

    @property
    def advice(self) -> str:
        """What the operator should do first, or know; empty for nothing."""
        row = FAMILIES.get(self.family)
        if row is None:
            return "this version does not read it" if self.receiver else ""
        return row.advice


def examine(line: Line, ask: bool, tell: Tell, open_line: Callable[[str], QuietLine] = QuietLine) -> Finding:
    """Look at one line; with ``ask``, ask it too. It never raises: what failed is a finding."""
    if line.console:
        return Finding(line, CONSOLE, "the kernel writes its messages to it")
    if line.held:
        return Finding(line, HELD, ", ".join(line.held))
    try:
        with open_line(line.node) as opened:
            settings = settings_for(opened.found, bool(line.named))
            heard = sniff(opened, settings, tell)
            if heard.setting is not None:
                found = identify(opened, heard.family, heard.setting, tell) if ask else None
                return Finding(line, SPEAKS, heard=heard, found=found)
            found = probe(opened, settings, tell) if ask else None
    except PortError as error:
        return Finding(line, REFUSED, str(error))
    outcome = ANSWERS if found else UNKNOWN if heard.size else SILENT
    return Finding(line, outcome, heard=heard, found=found)


def configuration(finding: Finding) -> str:
    """The TOML for a receiver that was recognised and is read; empty for others."""
    setting, row = finding.setting, FAMILIES.get(finding.family)
    if setting is None or row is None or not row.says:
        return ""
    line = finding.line
    text = f"[receiver]\ndevice = {_quoted(line.stable)}\n"
    # Another one under the same name is refused from the first start on (refclock.ports.identity).
    if line.ids and line.serial:
        text += f"serial = {_quoted(line.serial)}\n"
    elif line.ids and line.port:
        text += f"path = {_quoted(line.port)}\n"
    text += f'protocol = "{row.name}"\nbaud = {setting.baud}\nframing = "{setting.framing}"\n'
    if line.pulses:
        text += f"\n[pps]\ndevice = {_quoted(line.pulses[0])}\n"
    elif is_standard(row.name):
        text += "\n[pps]                                  # its pulse is all that it gives: which device?\n"
    return text


def _quoted(text: str) -> str:
    """A basic string of TOML, which escapes like JSON."""
    return json.dumps(text)
