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
