"""What a configuration file says, after checking: frozen, with the unit in every name."""

import re
from dataclasses import dataclass, field

from refclock.policy.gpsd import GpsdAddress, gpsd_address
from refclock.policy.limits import Limits
from refclock.wire.families import is_standard

# What the receiver's line is called in captures.
RECEIVER_PORT = "gps0"
# What the cesium's pulse is called in captures; every other PPS is the receiver's.
CESIUM_PORT = "cs0"
# And the second receiver's line, which numbers the pulses of a standard that has no label.
COMPANION_PORT = "num0"
# Whether a chronyd takes what it is given.
CHRONYD_PORT = "chronyd0"
NTP_PORT, KDC_PORT = 123, 88
# RFC 4120, section 6.1; those of X.500 have slashes, and nobody has met one.
REALM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")


@dataclass(frozen=True, slots=True)
class ReceiverSettings:
    """The serial receiver. ``device`` is a path; ``protocol`` is "auto", a family's name, or one of PPS_ONLY
    (wire.families). For one that gpsd owns they are a gpsd:// address and "gpsd". ``configure``: switch on
    the messages that are needed, in its RAM (UBX only).

    ``message_delay_ns`` and ``message_jitter_ns`` matter only without PPS: how long after the second
    the label's message begins to arrive, and how far that may vary either way. ``timescale`` is "utc"
    where the operator vouches that a receiver whose messages do not say so is set to UTC. ``serial`` and
    ``path``, where given, are udev's ID_SERIAL_SHORT and ID_PATH of the only receiver to be opened there.
    """

    device: str = ""
    protocol: str = "auto"
    baud: int = 9600
    framing: str = "8N1"
    timescale: str = ""
    serial: str = ""
    path: str = ""
    message_delay_ns: int = 150_000_000
    message_jitter_ns: int = 50_000_000
    configure: bool = False

    @property
    def pulse_only(self) -> bool:
        """A standard without labels: others number its pulses."""
        return is_standard(self.protocol)

    @property
    def gpsd(self) -> GpsdAddress | None:
        """Where the gpsd is that owns the receiver; None for one on a serial line."""
        return gpsd_address(self.device)


@dataclass(frozen=True, slots=True)
class PpsSettings:
    """The pulse. ``device`` is /dev/ppsN, or "emulated:PATH" for a Unix datagram socket that a demo or
    test sends edges to. ``delay_ns`` is the antenna's and cable's: the pulse arrives that much late."""

    device: str
    edge: str = "assert"
    delay_ns: int = 0


@dataclass(frozen=True, slots=True)
class RtcSettings:
    """The battery clock, read from ``device``/since_epoch. ``error_ns`` in Limits bounds it until
    it is enrolled."""

    device: str = "/sys/class/rtc/rtc0"


@dataclass(frozen=True, slots=True)
class PhcSettings:
    """A network card's clock, ``device`` is /dev/ptpN."""

    device: str = "/dev/ptp0"


@dataclass(frozen=True, slots=True)
class ChronySettings:
    """chrony's own authenticated sources, asked through ``command``. ``authselectmode`` "require" repeats
    what chrony.conf says: chrony then selects none that is not authenticated, so its states tell. Without
    it ``chronyc authdata`` is asked, which chronyd answers to root and its own user only."""

    command: str = "/usr/bin/chronyc"
    authselectmode: str = ""


def peer_name(server: tuple[str, int]) -> str:
    """A server as captures and messages name it: host:port, or [ipv6]:port."""
    host, port = server
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def server_of(written: str, default_port: int) -> tuple[str, int] | None:
    """The other way: host and port of ``host``, ``host:port`` or ``[ipv6]:port``; None for what is none."""
    host, port = written, str(default_port)
    if written.startswith("["):
        host, _, rest = written[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif written.count(":") == 1:
        host, port = written.split(":")
    named = host.isascii() and host.isprintable() and " " not in host
    numbered = port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536
    return (host, int(port)) if host and named and numbered else None


@dataclass(frozen=True, slots=True)
class NtpSettings:
    """Servers as (host, port), asked once every ``poll_s`` seconds."""

    servers: tuple[tuple[str, int], ...] = ()
    poll_s: int = 64
    timeout_ms: int = 1000

    @property
    def peers(self) -> tuple[str, ...]:
        """The servers as captures and messages name them."""
        return tuple(map(peer_name, self.servers))


@dataclass(frozen=True, slots=True)
class RealmSettings:
    """The realm's other KDCs as (host, port), each asked for its time once every ``poll_s`` seconds.
    ``transport`` "udp" goes over to TCP for an answer that a KDC finds too big; "tcp" asks so at once."""

    kdcs: tuple[tuple[str, int], ...] = ()
    realm: str = ""
    poll_s: int = 300
    timeout_ms: int = 2000
    transport: str = "udp"

    @property
    def peers(self) -> tuple[str, ...]:
        """The KDCs as captures and messages name them."""
        return tuple(map(peer_name, self.kdcs))


@dataclass(frozen=True, slots=True)
class ServicesSettings:
    """What becomes of services that run on the time (a KDC) once the system clock may be off by ``bound_ns``:
    ``when_lost`` "alarm" tells people, "stop" ends ``refclock wait --keep``, and what is bound to it."""

    when_lost: str = "alarm"
    bound_ns: int = 30_000_000_000


@dataclass(frozen=True, slots=True)
class Loosened:
    """A limit that the operator made looser than the profile's, and the reason given for it."""

    key: str
    default: int
    chosen: int
    reason: str


@dataclass(frozen=True, slots=True)
class Policy:
    """One configuration file, checked."""

    profile: str
    limits: Limits
    hard_cap_ppt: int
    receiver: ReceiverSettings = field(default_factory=ReceiverSettings)
    pps: PpsSettings | None = None
    cesium: PpsSettings | None = None
    companion: ReceiverSettings | None = None
    rtc: RtcSettings | None = None
    phc: PhcSettings | None = None
    chrony: ChronySettings | None = None
    ntp: NtpSettings = field(default_factory=NtpSettings)
    realm: RealmSettings = field(default_factory=RealmSettings)
    shm_unit: int | None = None
    sock_path: str | None = None
    services: ServicesSettings = field(default_factory=ServicesSettings)
    status_socket: str | None = None
    time_file: str | None = None
    state_file: str | None = None
    leap_file: str | None = None
    not_before_s: int | None = None
    loosened: tuple[Loosened, ...] = ()

    @property
    def cesium_is_primary(self) -> bool:
        """The cesium's own pulse is what is vetted: a standard without labels, and no other pulse."""
        return self.receiver.pulse_only and self.pps is None

    @property
    def pulse(self) -> PpsSettings | None:
        """The pulse that is vetted."""
        return self.cesium if self.cesium_is_primary else self.pps
