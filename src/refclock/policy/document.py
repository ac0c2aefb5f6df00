"""Reading a configuration file strictly: an unknown key, a wrong type or a limit beyond its cap is one
error that names the file, the line, the key, what was expected and how to mend it."""

from dataclasses import replace

from refclock.policy.gpsd import GpsdAddress, protocol_of, refuse_socket, refuse_unit
from refclock.policy.limits import HARD_CAPS_PPT, PROFILES, Limits, profile_limits
from refclock.policy.reading import Document
from refclock.policy.settings import (
    KDC_PORT,
    NTP_PORT,
    REALM,
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
    server_of,
)
from refclock.policy.table import LIMIT_ROWS
from refclock.units import NS_PER_MS, NS_PER_US
from refclock.wire.calendar import parse_day
from refclock.wire.families import AUTO, FAMILIES, PPS_ONLY

_TOP = (
    "profile", "receiver", "companion", "pps", "cesium", "rtc", "phc", "ntp", "realm", "chrony", "shm",
    "sock", "status", "services", "time", "state", "dates", "limits", "loosened",
)  # fmt: skip
_BAUDS = (4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600)
_RECEIVER = (
    "device", "serial", "path", "protocol", "baud", "framing", "timescale", "configure",
    "message_delay_us", "message_jitter_us",
)  # fmt: skip
# No rate of these reaches the profile's hard cap.
_CAPPED = ("mask1_rate_ppt", "mask2_rate_ppt", "system_rate_ppt")
_FRAMINGS = ("8N1", "8O1", "8E1", "7O1", "7E1", "8N2")


def parse_policy(text: str, name: str = "configuration") -> Policy:
    """Check a configuration file's text; ``name`` is what complaints call it.

    Raises ConfigError, naming file, line and key, for anything unknown, ill-typed, out of range,
    looser than the profile without a reason under [loosened], or beyond the profile's hard cap.
    """
    document = Document(text, name)
    document.refuse_unknown("", document.tables, _TOP)
    profile = document.text("", "profile", document.tables.get("profile", "kdc"), PROFILES)
    limits, loosened = _limits(document, profile)
    receiver = _receiver(document, "receiver", PPS_ONLY) or ReceiverSettings()
    shm = document.table("shm", ("unit",))
    unit = document.integer("shm", "unit", shm["unit"], 0, 255) if shm and "unit" in shm else None
    companion = _receiver(document, "companion")
    asked = [one.gpsd for one in (receiver, companion) if one is not None and one.gpsd is not None]
    refuse_unit(document, bool(asked), unit)
    pulse = _pps(document, "pps")
    status = document.table("status", ("socket",))
    told = document.table("time", ("file",))
    state = document.table("state", ("file",))
    dates = document.table("dates", ("leap_file", "not_before")) or {}
    policy = Policy(
        profile=profile,
        limits=limits,
        hard_cap_ppt=HARD_CAPS_PPT[profile],
        receiver=receiver,
        pps=pulse,
        cesium=_pps(document, "cesium"),
        companion=companion,
        rtc=_rtc(document),
        phc=_phc(document),
        chrony=_chrony(document),
        ntp=_ntp(document),
        realm=_realm(document),
        shm_unit=unit,
        sock_path=_sock(document, asked, pulse),
        services=_services(document),
        status_socket=document.text("status", "socket", status["socket"]) if status else None,
        time_file=document.text("time", "file", told["file"]) if told else None,
        state_file=document.text("state", "file", state["file"]) if state else None,
        leap_file=document.text("dates", "leap_file", dates["leap_file"]) if "leap_file" in dates else None,
        not_before_s=_day(document, dates["not_before"]) if "not_before" in dates else None,
        loosened=loosened,
    )
    if policy.receiver.pulse_only and policy.pulse is None:
        raise document.fail(
            "receiver",
            "protocol",
            "without labels all rests on the pulse; add a section [pps] (or [cesium]).",
        )
    if policy.companion is not None and not policy.receiver.pulse_only:
        raise document.fail(
            "companion", "", f"it numbers the pulses of a receiver without labels; set receiver.protocol to "
            f"{PPS_ONLY[0]!r}, or remove the section.",
        )  # fmt: skip
    return policy


def _day(document: Document, written: object) -> int:
    """POSIX seconds of midnight UTC of a day that is written YYYY-MM-DD."""
    text = document.text("dates", "not_before", written)
    found_s = parse_day(text)
    if found_s is None:
        raise document.fail("dates", "not_before", f'expected a date as in "2027-01-31", found {text!r}.')
    return found_s


def _receiver(document: Document, name: str, further: tuple[str, ...] = ()) -> ReceiverSettings | None:
    table = document.table(name, _RECEIVER)
    if table is None:
        return None
    device, serial, path = (
        document.text(name, key, table[key]) if key in table else "" for key in ("device", "serial", "path")
    )
    settings = ReceiverSettings(device, serial=serial, path=path)
    if "protocol" in table:
        families = (AUTO, *sorted(FAMILIES), *further)
        protocol = document.text(name, "protocol", table["protocol"], families)
        settings = replace(settings, protocol=protocol)
    if "baud" in table:
        if table["baud"] not in _BAUDS:
            choices = ", ".join(map(str, _BAUDS))
            raise document.fail(name, "baud", f"expected one of {choices}, found {table['baud']!r}.")
        settings = replace(settings, baud=document.integer(name, "baud", table["baud"], 1, 10**6))
    if "framing" in table:
        framing = document.text(name, "framing", table["framing"], _FRAMINGS)
        settings = replace(settings, framing=framing)
    if "timescale" in table:
        timescale = document.text(name, "timescale", table["timescale"], ("utc",))
        settings = replace(settings, timescale=timescale)
    if "configure" in table:
        configure = table["configure"]
        if not isinstance(configure, bool):
            raise document.fail(name, "configure", f"expected true or false, found {configure!r}.")
        if configure and (settings.protocol != "ubx" or name != "receiver"):
            raise document.fail(name, "configure", 'only the receiver is, with protocol = "ubx".')
        settings = replace(settings, configure=configure)
    if "message_delay_us" in table:
        delay_us = document.integer(name, "message_delay_us", table["message_delay_us"], 0, 1_500_000)
        settings = replace(settings, message_delay_ns=delay_us * NS_PER_US)
    if "message_jitter_us" in table:
        jitter_us = document.integer(name, "message_jitter_us", table["message_jitter_us"], 0, 400_000)
        settings = replace(settings, message_jitter_ns=jitter_us * NS_PER_US)
    return replace(settings, protocol=protocol_of(document, name, table, settings.device, settings.protocol))


def _pps(document: Document, name: str) -> PpsSettings | None:
    table = document.table(name, ("device", "edge", "delay_ns"))
    if table is None:
        return None
    return PpsSettings(
        device=document.text(name, "device", table.get("device", "/dev/pps0")),
        edge=document.text(name, "edge", table.get("edge", "assert"), ("assert", "clear")),
        delay_ns=document.integer(name, "delay_ns", table.get("delay_ns", 0), -1_000_000, 1_000_000),
    )


def _sock(document: Document, asked: list[GpsdAddress], pulse: PpsSettings | None) -> str | None:
    table = document.table("sock", ("path",))
    if table is None:
        return None
    path = document.text("sock", "path", table.get("path", "/run/chrony.refclock.sock"))
    if not path.startswith("/"):
        raise document.fail("sock", "path", f"expected an absolute path, found {path!r}.")
    for gpsd in asked:
        refuse_socket(document, gpsd, pulse.device if pulse else "", path)
    return path


def _services(document: Document) -> ServicesSettings:
    table = document.table("services", ("when_lost", "bound_ms")) or {}
    settings = ServicesSettings()
    # Kerberos bears 300 s of skew between two hosts by default, that is 150 s of each (krb5.conf, clockskew).
    bound_ms = table.get("bound_ms", settings.bound_ns // NS_PER_MS)
    return ServicesSettings(
        document.text("services", "when_lost", table.get("when_lost", settings.when_lost), ("alarm", "stop")),
        document.integer("services", "bound_ms", bound_ms, 100, 150_000) * NS_PER_MS,
    )


def _rtc(document: Document) -> RtcSettings | None:
    table = document.table("rtc", ("device",))
    if table is None:
        return None
    return RtcSettings(document.text("rtc", "device", table.get("device", RtcSettings().device)))


def _phc(document: Document) -> PhcSettings | None:
    table = document.table("phc", ("device",))
    if table is None:
        return None
    return PhcSettings(document.text("phc", "device", table.get("device", PhcSettings().device)))


def _chrony(document: Document) -> ChronySettings | None:
    table = document.table("chrony", ("chronyc", "command", "authselectmode"))
    if table is None:
        return None
    asked, settings = table.get("chronyc", False), ChronySettings()
    if not isinstance(asked, bool):
        raise document.fail("chrony", "chronyc", f"expected true or false, found {asked!r}.")
    command = document.text("chrony", "command", table.get("command", settings.command))
    if not command.startswith("/"):
        raise document.fail("chrony", "command", f"expected an absolute path, found {command!r}.")
    mode = table.get("authselectmode")
    if mode is not None:
        mode = document.text("chrony", "authselectmode", mode, ("require",))
    return ChronySettings(command, mode or "") if asked else None


def _ntp(document: Document) -> NtpSettings:
    table = document.table("ntp", ("servers", "poll_s", "timeout_ms"))
    if table is None:
        return NtpSettings()
    return NtpSettings(
        servers=_servers(document, "ntp", "servers", table.get("servers", []), NTP_PORT),
        poll_s=document.integer("ntp", "poll_s", table.get("poll_s", 64), 1, 1024),
        timeout_ms=document.integer("ntp", "timeout_ms", table.get("timeout_ms", 1000), 10, 5000),
    )


def _realm(document: Document) -> RealmSettings:
    table = document.table("realm", ("realm", "kdcs", "poll_s", "timeout_ms", "transport"))
    if table is None:
        return RealmSettings()
    realm = document.text("realm", "realm", table.get("realm", ""))
    if not REALM.fullmatch(realm):
        raise document.fail("realm", "realm", f"expected a realm such as EXAMPLE.COM, found {realm!r:.80}.")
    return RealmSettings(
        kdcs=_servers(document, "realm", "kdcs", table.get("kdcs", []), KDC_PORT),
        realm=realm,
        poll_s=document.integer("realm", "poll_s", table.get("poll_s", 300), 16, 3600),
        timeout_ms=document.integer("realm", "timeout_ms", table.get("timeout_ms", 2000), 10, 5000),
        transport=document.text("realm", "transport", table.get("transport", "udp"), ("udp", "tcp")),
    )


def _servers(
    document: Document, table: str, key: str, listed: object, port: int
) -> tuple[tuple[str, int], ...]:
    if not isinstance(listed, list) or not all(isinstance(server, str) for server in listed):
        raise document.fail(table, key, f"expected a list of host or host:port, found {listed!r}.")
    servers = tuple(_server(document, table, key, server, port) for server in listed)
    if len(set(servers)) != len(servers):
        raise document.fail(table, key, "a server is listed twice; one machine has one vote.")
    return servers


def _server(document: Document, table: str, key: str, written: str, default: int) -> tuple[str, int]:
    server = server_of(written, default)
    if server is None:
        raise document.fail(table, key, f"expected host, host:port or [ipv6]:port, found {written!r}.")
    return server


def _limits(document: Document, profile: str) -> tuple[Limits, tuple[Loosened, ...]]:
    limits = profile_limits(profile)
    known = tuple(row.key for row in LIMIT_ROWS)
    chosen = document.table("limits", known) or {}
    reasons = document.table("loosened", known) or {}
    loosened = []
    column = PROFILES.index(profile)
    for row in LIMIT_ROWS:
        if row.key not in chosen:
            if row.key in reasons:
                raise document.fail("loosened", row.key, f"nothing is loosened: limits.{row.key} is not set.")
            continue
        value = document.integer("limits", row.key, chosen[row.key], row.low, row.high)
        cap = HARD_CAPS_PPT[profile]
        if row.key in _CAPPED and value >= cap:
            raise document.fail(
                "limits", row.key, f"{value} reaches the hard cap of profile {profile}, {cap} "
                f"(parts in 10^12); the cap is in the code and cannot be configured. Choose less.",
            )  # fmt: skip
        default = row.defaults[column]
        looser = value > default if row.tighter == "lower" else value < default
        if looser:
            reason = reasons.get(row.key)
            if not isinstance(reason, str) or not reason.strip():
                raise document.fail(
                    "limits", row.key, f"{value} is looser than profile {profile}'s {default}; keep to "
                    f'{default}, or state why under [loosened]: {row.key} = "the reason".',
                )  # fmt: skip
            loosened.append(Loosened(row.key, default, value, reason))
        elif row.key in reasons:
            raise document.fail(
                "loosened", row.key, f"nothing is loosened: {value} is not looser than {default}."
            )
        limits = replace(limits, **{row.field: value * row.scale})
    return limits, tuple(loosened)
