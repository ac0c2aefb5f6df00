"""The Kerberos side: a realm's KDCs and their clocks, and what a server that takes tickets needs of time.

The draft's clauses that are named here are numbered as in docs/requirements.md.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from refclock.kerberos.asking import Kdc
    from refclock.kerberos.deadline import Deadline, local_deadline
    from refclock.kerberos.nonces import NonceWindow
    from refclock.kerberos.offset import KdcOffset, OffsetRefusedError
    from refclock.kerberos.replay import Judgement, ReplayCache, ReplayCacheError
    from refclock.kerberos.uptime import Mark, UptimeClock

__all__ = [
    "Deadline",
    "Judgement",
    "Kdc",
    "KdcOffset",
    "Mark",
    "NonceWindow",
    "OffsetRefusedError",
    "ReplayCache",
    "ReplayCacheError",
    "UptimeClock",
    "local_deadline",
]

_HOMES = {
    "Deadline": "deadline",
    "Judgement": "replay",
    "Kdc": "asking",
    "KdcOffset": "offset",
    "Mark": "uptime",
    "NonceWindow": "nonces",
    "OffsetRefusedError": "offset",
    "ReplayCache": "replay",
    "ReplayCacheError": "replay",
    "UptimeClock": "uptime",
    "local_deadline": "deadline",
}


def __getattr__(name: str) -> object:
    """The public names (PEP 562): whoever wants a nonce does not load a database."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
