"""refclock: vetted time from a hardware receiver, for hosts whose clock is a security boundary."""

__version__ = "0.1.0"

# 2026-11-01T00:00:00Z, set at each release: no date before it is believed (vetting rules, "Labels and
# dates"). A capture records the value it was made under, so that it replays alike under later releases.
BUILD_UTC_S = 1_793_491_200
