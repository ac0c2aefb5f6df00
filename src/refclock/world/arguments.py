"""What a simulated world follows from, and the configuration file that its host would run with."""

from dataclasses import dataclass

from refclock.errors import ConfigError
from refclock.policy import CESIUM_PORT, PROFILES
from refclock.units import NS_PER_S
from refclock.world.servers import POLL_S
from refclock.world.voices.table import VOICES

START_S = 1_803_859_200  # 2027-03-01T00:00:00Z
_MOST_SERVERS = 12
_LONGEST_NS = 400 * 86_400 * NS_PER_S
_EARLIEST_S, _LATEST_S = 800_000_000, 4_000_000_000  # the years 1995 to 2096


@dataclass(frozen=True, slots=True)
class WorldArguments:
    """Everything that a world follows from; equal arguments give equal worlds, byte for byte.

    ``duration_ns`` is true time; ``start_s`` POSIX seconds (a fraction is added from the seed);
    ``enrolled`` begins with what an earlier enrolment measured; ``cold_s`` is how long the receiver has no
    fix; ``leap_second`` inserts one at the end of the month that the world starts in.
    """

    profile: str = "kdc"
    receiver: str = "nmea"
    seed: int = 1
    duration_ns: int = 3600 * NS_PER_S
    attacks: tuple[str, ...] = ()
    start_s: int = START_S
    enrolled: bool = True
    pps: bool = True
    rtc: bool = True
    servers: int = 4
    baud: int | None = None
    cold_s: int = 0
    leap_second: bool = False

    @property
    def cesium(self) -> bool:
        """A host of profile kdc-cesium has the standard's pulse beside the receiver's."""
        return self.pps and self.profile == "kdc-cesium"

    def check(self) -> None:
        """Raise ConfigError for arguments that make no world."""
        for value, what, choices in (
            (self.profile, "profile", PROFILES),
            (self.receiver, "receiver", tuple(VOICES)),
        ):
            if value not in choices:
                raise ConfigError(f"{what}: expected one of {', '.join(choices)}, found {value!r}.")
        for number, what, low, high in (
            (self.servers, "servers", 0, _MOST_SERVERS),
            (self.duration_ns, "duration (ns)", 1, _LONGEST_NS),
            (self.start_s, "start (POSIX seconds)", _EARLIEST_S, _LATEST_S),
            (9600 if self.baud is None else self.baud, "baud", 4800, 921_600),
        ):
            if not low <= number <= high:
                raise ConfigError(f"{what}: expected {low} to {high}, found {number}.")


def policy_text(arguments: WorldArguments, baud: int, latency_ns: int) -> str:
    """The configuration file for a world; ``latency_ns`` is how late its first chunk comes."""
    voice = VOICES[arguments.receiver]
    lines = [f'profile = "{arguments.profile}"', "", "[receiver]", 'device = "/dev/ttyS0"']
    lines += [f'protocol = "{voice.protocol}"', f"baud = {baud}"]
    lines += [] if voice.framing == "8N1" else [f'framing = "{voice.framing}"']
    if arguments.pps:
        lines += ["", "[pps]", 'device = "/dev/pps0"']
        if arguments.cesium:
            lines += ["", "[cesium]", 'device = "/dev/pps1"']
    else:
        lines += [f"message_delay_us = {latency_ns // 1000}", "message_jitter_us = 30000"]
    if arguments.rtc:
        lines += ["", "[rtc]", 'device = "/sys/class/rtc/rtc0"']
    if arguments.servers:
        peers = ", ".join(f'"ntp{number}:123"' for number in range(1, arguments.servers + 1))
        lines += ["", "[ntp]", f"servers = [{peers}]", f"poll_s = {POLL_S}"]
    return "\n".join(lines) + "\n"


def port_table(arguments: WorldArguments, baud: int) -> dict[str, object]:
    """The ports of a world's capture."""
    ports: dict[str, object] = {
        "gps0": {"kind": "serial", "protocol": arguments.receiver, "baud": baud},
    }
    if arguments.pps:
        ports["pps0"] = {"kind": "pps", "edge": "assert"}
    if arguments.cesium:
        ports[CESIUM_PORT] = {"kind": "pps", "edge": "assert"}
    if arguments.rtc:
        ports["rtc0"] = {"kind": "rtc"}
    if arguments.servers:
        peers = [f"ntp{number}:123" for number in range(1, arguments.servers + 1)]
        ports["ntp0"] = {"kind": "ntp", "servers": peers}
    ports["sys0"] = {"kind": "sys"}
    return ports
