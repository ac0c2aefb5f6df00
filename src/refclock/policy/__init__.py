"""Strict configuration: TOML in, a frozen Policy out. The hard caps live here, in code."""

from refclock.policy.confirmed import Change, compare, default_table, held_back, limit_table, override
from refclock.policy.document import parse_policy
from refclock.policy.gpsd import GPSD_UNITS, GpsdAddress
from refclock.policy.limits import HARD_CAPS_PPT, PROFILES, Limits
from refclock.policy.settings import (
    CESIUM_PORT,
    CHRONYD_PORT,
    COMPANION_PORT,
    KDC_PORT,
    REALM,
    RECEIVER_PORT,
    ChronySettings,
    Loosened,
    NtpSettings,
    PhcSettings,
    Policy,
    PpsSettings,
    RealmSettings,
    ReceiverSettings,
    RtcSettings,
    ServicesSettings,
    peer_name,
    server_of,
)
from refclock.policy.table import LIMIT_ROWS, LimitRow

__all__ = [
    "CESIUM_PORT",
    "CHRONYD_PORT",
    "COMPANION_PORT",
    "GPSD_UNITS",
    "HARD_CAPS_PPT",
    "KDC_PORT",
    "LIMIT_ROWS",
    "PROFILES",
    "REALM",
    "RECEIVER_PORT",
    "Change",
    "ChronySettings",
    "GpsdAddress",
    "LimitRow",
    "Limits",
    "Loosened",
    "NtpSettings",
    "PhcSettings",
    "Policy",
    "PpsSettings",
    "RealmSettings",
    "ReceiverSettings",
    "RtcSettings",
    "ServicesSettings",
    "compare",
    "default_table",
    "held_back",
    "limit_table",
    "override",
    "parse_policy",
    "peer_name",
    "server_of",
]
