"""What a simulated world follows from, and the configuration file that its host would run with."""

from dataclasses import dataclass

from refclock.errors import ConfigError
from refclock.policy import CESIUM_PORT, PROFILES
from refclock.units import NS_PER_S
from refclock.wire.families import AUTO, PPS_ONLY, is_standard
from refclock.world.encoders import civil
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
        return self.pps and self.profile == "kdc-cesium" and not self.pulse_only

    @property
    def pulse_only(self) -> bool:
        """The receiver is a standard that gives a pulse and no label."""
        return is_standard(VOICES[self.receiver].protocol)

    @property
    def has_line(self) -> bool:
        """The receiver has a serial line."""
        return VOICES[self.receiver].protocol not in PPS_ONLY

    @property
    def pulse_port(self) -> str:
        """Where the receiver's pulse comes in: a cesium that is the receiver keeps its own port."""
        return CESIUM_PORT if self.pulse_only and self.profile == "kdc-cesium" else "pps0"

    def check(self) -> None:
        """Raise ConfigError for arguments that make no world."""
        for value, what, choices in (
            (self.profile, "profile", PROFILES),
            (self.receiver, "receiver", tuple(VOICES)),
        ):
            if value not in choices:
                raise ConfigError(f"{what}: expected one of {', '.join(choices)}, found {value!r}.")
        if self.pulse_only and not self.pps:
            raise ConfigError(f"receiver {self.receiver}: without its pulse nothing is left of it.")
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
    lines = [f'profile = "{arguments.profile}"', "", "[receiver]"]
    lines += ['device = "/dev/ttyS0"'] if arguments.has_line else []
    lines += [f'protocol = "{voice.protocol}"', f"baud = {baud}"]
    lines += [] if voice.framing == "8N1" else [f'framing = "{voice.framing}"']
    lines += ['timescale = "utc"'] if voice.vouched else []
    if arguments.pulse_only:
        section = "cesium" if arguments.pulse_port == CESIUM_PORT else "pps"
        lines += ["", f"[{section}]", 'device = "/dev/pps0"']
        # Somebody set the RTC by hand; and of the three witnesses of its own profile the cesium is one.
        lines += ["", "[limits]", "rtc_error_ms = 200"]
        if section == "cesium":
            lines += ["witnesses = 2", "", "[loosened]", 'witnesses = "the cesium itself is what is vetted"']
    elif arguments.pps:
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
    if voice.yearless and not arguments.enrolled:
        year, month, day, *_ = civil(arguments.start_s)
        lines += ["", "[dates]", f'not_before = "{year:04}-{month:02}-{day:02}"']
    return "\n".join(lines) + "\n"


def port_table(arguments: WorldArguments, baud: int) -> dict[str, object]:
    """The ports of a world's capture."""
    ports: dict[str, object] = {}
    if arguments.has_line:
        protocol = VOICES[arguments.receiver].protocol
        told = arguments.receiver if protocol == AUTO else protocol
        ports["gps0"] = {"kind": "serial", "protocol": told, "baud": baud}
    if arguments.pps:
        ports[arguments.pulse_port] = {"kind": "pps", "edge": "assert"}
    if arguments.cesium:
        ports[CESIUM_PORT] = {"kind": "pps", "edge": "assert"}
    if arguments.rtc:
        ports["rtc0"] = {"kind": "rtc"}
    if arguments.servers:
        peers = [f"ntp{number}:123" for number in range(1, arguments.servers + 1)]
        ports["ntp0"] = {"kind": "ntp", "servers": peers}
    ports["sys0"] = {"kind": "sys"}
    return ports
