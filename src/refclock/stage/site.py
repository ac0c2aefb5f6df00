"""The host's side of the emulated world: the configuration and the memory that its daemon starts with."""

import random
from pathlib import Path

from refclock.core.trust.memory import VERSION
from refclock.errors import PortError, RefclockError
from refclock.policy import LIMIT_ROWS, PROFILES
from refclock.sinks.segment import find, open_segment
from refclock.stage.play import Stage
from refclock.units import NS_PER_S, S_PER_DAY
from refclock.world.voices.table import VOICES

# What the operator's `enroll` would have measured: the counter's rate within 0.1 ppm, the RTC's within 1 ppm.
_RATE_UNC_PPT = 100_000
_RTC_UNC_PPT = 1_000_000
_ALL_WITNESSES = 2  # there are no more in the emulated world: the NTP quorum and the RTC
_POLL_S = 2  # the eight answers that a server is judged by are then all new within 16 s
# gpsd takes the low ones, and people write low ones into chrony.conf.
_UNITS = range(100, 256)


def claim_unit() -> int:
    """An SHM unit that nobody used, its segment made, so that no other emulation takes it at the same time.

    Raises RefclockError when there is none.
    """
    for unit in random.sample(_UNITS, len(_UNITS)):
        try:
            segment, created = open_segment(unit)
        except PortError:
            continue  # another user's, or one that others may write
        segment.detach()
        if created:
            return unit
    raise RefclockError(
        f"no free SHM unit from {_UNITS[0]} to {_UNITS[-1]}: something leaves segments behind (ipcs -m)."
    )


def remove_segment(unit: int) -> None:
    """Remove the segment of a unit that ``claim_unit`` gave, so that nothing of the emulation is left."""
    try:
        found = find(unit)
    except PortError:
        return  # another user's by now
    if found is not None:
        found[0].detach()
        segment, _ = open_segment(unit)
        segment.remove()
        segment.detach()


def shortened(profile: str, dwell_s: int) -> dict[str, tuple[int, int, str]]:
    """The limits that an emulation of a minute must loosen: key, (the profile's, ours, the reason)."""
    column = PROFILES.index(profile)
    short = "an emulation lasts a minute; keep the default on a real host"
    wanted = {
        "dwell_warm_s": (dwell_s, short),
        "proof_s": (dwell_s, short),
        "witnesses": (_ALL_WITNESSES, "the emulated host has no other witness than NTP and RTC"),
    }
    defaults = {row.key: row.defaults[column] for row in LIMIT_ROWS if row.key in wanted}
    return {
        key: (defaults[key], chosen, reason)
        for key, (chosen, reason) in wanted.items()
        if chosen < defaults[key]
    }


def policy_text(
    stage: Stage, directory: Path, *, profile: str, personality: str, unit: int, dwell_s: int
) -> str:
    """The daemon's configuration file; its own files lie in ``directory``."""
    loosened = shortened(profile, dwell_s)
    peers = ", ".join(f'"127.0.0.1:{server.port}"' for server in stage.servers)
    voice = VOICES[personality]
    lines = [
        f'profile = "{profile}"',
        "",
        "[receiver]",
        f'device = "{stage.device}"',
        f'protocol = "{voice.protocol}"',
        f"baud = {voice.baud}",
        f'framing = "{voice.framing}"',
        *(['timescale = "utc"'] if voice.vouched else []),
        "",
        "[pps]",
        f'device = "emulated:{stage.pps_path}"',
        "",
        "[rtc]",
        f'device = "{stage.rtc_path}"',
        "",
        "[ntp]",
        f"servers = [{peers}]",
        f"poll_s = {_POLL_S}",
        "",
        "[shm]",
        f"unit = {unit}",
        "",
        "[status]",
        f'socket = "{directory}/status.sock"',
        "",
        "[state]",
        f'file = "{directory}/state.json"',
        "",
        "[limits]",
        *(f"{key} = {chosen}" for key, (_, chosen, _) in loosened.items()),
        "",
        "[loosened]",
        *(f'{key} = "{reason}"' for key, (_, _, reason) in loosened.items()),
    ]
    return "\n".join(lines) + "\n"


def enrolment(stage: Stage) -> dict[str, object]:
    """The memory of a host that was enrolled: its rates are known, and time was vetted yesterday."""
    return {
        "version": VERSION,
        "floor_utc_ns": stage.started_ns - S_PER_DAY * NS_PER_S,
        "locked": False,
        "episodes_s": [],
        "raw_rate_ppt": stage.truth.rate_ppt,
        "raw_rate_unc_ppt": _RATE_UNC_PPT,
        "rtc_rate_ppt": 0,
        "rtc_rate_unc_ppt": _RTC_UNC_PPT,
    }
