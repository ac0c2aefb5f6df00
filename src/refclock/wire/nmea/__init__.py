"""NMEA 0183 sentences that tell the time or speak for a receiver: the standard's, and vendors' own.

A sentence is ``$`` address ``,`` fields ``*`` two hex digits CR LF. The checksum is the exclusive or of all
between ``$`` and ``*`` (NMEA 0183, section 5.3.3.2); a sentence without one is refused, because a flipped
bit in a digit would otherwise be a legal, wrong second. Only `bare.Framer` takes those, for an operator who
asks for it by name. Every label names the pulse just **passed**.

What is not a legal time gives no report at all. Nothing here raises, whatever the bytes.
"""

from refclock.wire.nmea.fields import PROTOCOL
from refclock.wire.nmea.framer import BODY_MAX, Framer, checksum, decode

__all__ = ["BODY_MAX", "PROTOCOL", "Framer", "checksum", "decode"]
