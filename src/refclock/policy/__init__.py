"""Strict configuration: TOML in, a frozen Policy out. The hard caps live here, in code."""

from refclock.policy.document import parse_policy
from refclock.policy.limits import HARD_CAPS_PPT, PROFILES, Limits
from refclock.policy.settings import (
    Loosened,
    NtpSettings,
    Policy,
    PpsSettings,
    ReceiverSettings,
    RtcSettings,
)
from refclock.policy.table import LIMIT_ROWS, LimitRow

__all__ = [
    "HARD_CAPS_PPT",
    "LIMIT_ROWS",
    "PROFILES",
    "LimitRow",
    "Limits",
    "Loosened",
    "NtpSettings",
    "Policy",
    "PpsSettings",
    "ReceiverSettings",
    "RtcSettings",
    "parse_policy",
]
