"""refclock: vetted time from a hardware receiver, for hosts whose clock is a security boundary.

``refclock.now()`` gives UTC with its bound, or raises; everything else of the package is for its verbs.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from refclock.bounded import BoundedTime, get_server_time, now
    from refclock.errors import BoundExceededError, NotVettedError, TimeUnavailableError

__all__ = [
    "BUILD_UTC_S",
    "BoundExceededError",
    "BoundedTime",
    "NotVettedError",
    "TimeUnavailableError",
    "__version__",
    "get_server_time",
    "now",
]

__version__ = "0.1.0"

# 2026-11-01T00:00:00Z, set at each release: no date before it is believed (vetting rules, "Labels and
# dates"). A capture records the value it was made under, so that it replays alike under later releases.
BUILD_UTC_S = 1_793_491_200

_BOUNDED = ("BoundedTime", "get_server_time", "now")
_ERRORS = ("BoundExceededError", "NotVettedError", "TimeUnavailableError")


def __getattr__(name: str) -> object:
    """The public names, imported by whoever uses one (PEP 562): the daemon does not."""
    if name in _BOUNDED:
        from refclock import bounded  # noqa: PLC0415

        return getattr(bounded, name)
    if name in _ERRORS:
        from refclock import errors  # noqa: PLC0415

        return getattr(errors, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
