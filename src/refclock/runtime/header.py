"""The first line of a live capture: which program, which host, which policy, which ports."""

import os
import sys
from collections.abc import Mapping

from refclock import BUILD_UTC_S, __version__
from refclock.policy import CESIUM_PORT, CHRONYD_PORT, COMPANION_PORT, Policy, ReceiverSettings

LICENCE = "Apache-2.0"
CLOCKSOURCE = "/sys/devices/system/clocksource/clocksource0/current_clocksource"
BOOT_ID = "/proc/sys/kernel/random/boot_id"


def one_line(path: str) -> str:
    """A one-line file of the kernel's; "unknown" where it is hidden or missing."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read(256).strip()
    except OSError:
        return "unknown"


def _serial(settings: ReceiverSettings) -> dict[str, object]:
    if settings.gpsd is not None:
        return {"kind": "serial", "protocol": settings.protocol, "device": settings.device}
    return {
        "kind": "serial",
        "protocol": settings.protocol,
        "baud": settings.baud,
        "framing": settings.framing,
    }


def port_table(policy: Policy) -> dict[str, dict[str, object]]:
    """Each port that a policy names, as the capture's header describes it."""
    ports: dict[str, dict[str, object]] = {"sys0": {"kind": "sys"}}
    if policy.receiver.device:
        ports["gps0"] = _serial(policy.receiver)
    if policy.companion is not None:
        ports[COMPANION_PORT] = _serial(policy.companion)
    if policy.pps is not None:
        ports["pps0"] = {"kind": "pps", "device": policy.pps.device, "edge": policy.pps.edge}
    if policy.cesium is not None:
        ports[CESIUM_PORT] = {"kind": "pps", "device": policy.cesium.device, "edge": policy.cesium.edge}
    if policy.rtc is not None:
        ports["rtc0"] = {"kind": "rtc"}
    if policy.phc is not None:
        ports["phc0"] = {"kind": "phc", "device": policy.phc.device}
    if policy.chrony is not None:
        ports["chrony0"] = {"kind": "src"}
    if policy.shm_unit is not None or policy.sock_path is not None:
        ports[CHRONYD_PORT] = {"kind": "chronyd"}
    for number, peer in enumerate(policy.ntp.peers):
        ports[f"ntp{number}"] = {"kind": "ntp", "servers": [peer]}
    for number, peer in enumerate(policy.realm.peers):
        ports[f"kdc{number}"] = {"kind": "kdc", "servers": [peer]}
    return ports


def capture_header(
    policy: Policy, policy_text: str, in_force: Mapping[str, object] | None = None
) -> dict[str, object]:
    """The header; ``policy_text`` is the configuration file to the letter, so that a replay reads it anew.
    ``in_force`` is what stays in force of an earlier one (runtime.inforce)."""
    system = os.uname()
    held: dict[str, object] = {"in_force": dict(in_force)} if in_force else {}
    return {
        "version": __version__,
        "host": {
            "build_utc_s": BUILD_UTC_S,
            "python": ".".join(map(str, sys.version_info[:3])),
            "machine": system.machine,
            "kernel": system.release,
            "clocksource": one_line(CLOCKSOURCE),
            "boot_id": one_line(BOOT_ID),
        },
        "policy": policy_text,
        **held,
        "ports": port_table(policy),
        "licence": LICENCE,
    }
