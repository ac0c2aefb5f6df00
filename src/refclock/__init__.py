"""refclock: vetted time from a hardware receiver, for hosts whose clock is a security boundary."""

__version__ = "0.1.0"
