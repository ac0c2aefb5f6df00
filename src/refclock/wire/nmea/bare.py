"""Sentences without a checksum, as the HP 58534A sends them: only for an operator who asks for them by name.

A sentence that has a checksum must be right all the same. Nothing guards the digits of the others but what
the core asks of every second: that it follows the one before, and that other witnesses agree.
"""

import re
from dataclasses import replace

from refclock.wire.framing import REFUSED, WAIT
from refclock.wire.nmea import framer
from refclock.wire.nmea.fields import Where
from refclock.wire.report import Report

PROTOCOL = "nmea-unchecked"
# "$" to CR LF, section 5.3: what is longer is not believed without a checksum.
_BODY_MAX = 79
_SENTENCE = re.compile(rb"\$([ -#%%-)+-~]{1,%d}+)\r?\n" % _BODY_MAX)
_BEGINNING = re.compile(rb"\$[ -#%%-)+-~]{0,%d}+\r?" % _BODY_MAX)


class Framer(framer.Framer):
    """Finds and decodes sentences with or without a checksum."""

    name = PROTOCOL

    def take(self, data: bytes, at: int, stop: int, origin: int, reports: list[Report]) -> int:
        """See `framing.Framer`."""
        end = super().take(data, at, stop, origin, reports)
        if end != REFUSED:
            return end
        match = _SENTENCE.match(data, at)
        if match is None:
            return WAIT if _BEGINNING.fullmatch(data, at) else REFUSED
        self.frames += 1
        if match[1][2:5] in framer.KEYS:
            self.hear(match[1], (origin + at, origin + match.end()), reports)
        return match.end()

    def hear(self, body: bytes, where: Where, reports: list[Report]) -> None:
        """Take in a good sentence that may tell something."""
        found: list[Report] = []
        super().hear(body, where, found)
        reports += [replace(report, protocol=PROTOCOL) for report in found]
