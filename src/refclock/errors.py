"""Errors that name whose fault they are: each says what, where, what was expected, and how to mend it."""


class RefclockError(Exception):
    """Base of every error that refclock raises on purpose.

    ``exit_status`` is what the command line leaves with when the error reaches it.
    """

    exit_status = 2


class ConfigError(RefclockError):
    """The configuration file, or a command-line argument, cannot be used."""


class CaptureError(RefclockError):
    """A capture file is foreign, damaged or of a version this program does not know."""


class PortError(RefclockError):
    """A device, socket or segment of this host cannot be used as configured."""

    exit_status = 1


class TimeUnavailableError(RefclockError):
    """There is no time that may be relied upon: nobody vouches for one, or not closely enough."""

    exit_status = 1


class NotVettedError(TimeUnavailableError):
    """No daemon of this host vouches for a time now."""


class BoundExceededError(TimeUnavailableError):
    """UTC is known, but not as closely as the caller wants: ``bound_ns`` is how closely."""

    def __init__(self, message: str, bound_ns: int) -> None:
        super().__init__(message)
        self.bound_ns = bound_ns
