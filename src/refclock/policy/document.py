"""Reading a configuration file strictly: an unknown key, a wrong type or a limit beyond its cap is one
error that names the file, the line, the key, what was expected and how to mend it."""

import tomllib
from collections.abc import Mapping
from dataclasses import replace

from refclock.errors import ConfigError
from refclock.policy.limits import HARD_CAPS_PPT, PROFILES, Limits, profile_limits
from refclock.policy.settings import (
    ChronySettings,
    Loosened,
    NtpSettings,
    PhcSettings,
    Policy,
    PpsSettings,
    ReceiverSettings,
    RtcSettings,
)
from refclock.policy.table import LIMIT_ROWS
from refclock.units import NS_PER_US
from refclock.wire.families import AUTO, FAMILIES

_TOP = (
    "profile", "receiver", "pps", "cesium", "rtc", "phc", "ntp", "chrony", "shm", "status", "state", "dates",
    "limits", "loosened",
)  # fmt: skip
_BAUDS = (4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600)
_FRAMINGS = ("8N1", "8O1", "8E1", "7O1", "7E1", "8N2")
_NTP_PORT = 123


class _Document:
    """One file's text beside its parsed tables, so that every complaint can name its line."""

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self._lines = text.splitlines()
        try:
            self.tables: Mapping[str, object] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{name}: not valid TOML: {error}. Mend the syntax at that place.") from None
        except (ValueError, RecursionError):
            # A number of thousands of digits, or brackets nested as deep.
            raise ConfigError(f"{name}: not a configuration: it holds a monstrous value.") from None

    def line(self, table: str, key: str = "") -> int:
        """The line (1-based) of a key in a table, of the table's header, or 1 if it cannot be told."""
        current, header_line = "", 1
        for number, line in enumerate(self._lines, 1):
            bare = line.strip()
            if bare.startswith("["):
                current = bare.strip("[]").split("]")[0].strip()
                if current == table or (not table and current == key):
                    header_line = number
            else:
                left = bare.split("=", 1)[0].strip().strip("\"'")
                if (current == table and left == key) or (not current and left == f"{table}.{key}"):
                    return number
                if not current and key == "" and left == table:
                    return number
        return header_line

    def fail(self, table: str, key: str, problem: str) -> ConfigError:
        where = f"{table}.{key}" if table and key else table or key
        return ConfigError(f"{self.name}:{self.line(table, key)}: {where}: {problem}")

    def refuse_unknown(self, table: str, found: Mapping[str, object], known: tuple[str, ...]) -> None:
        for key in found:
            if key not in known:
                # Only for one who mistyped: it is not to be paid for at each start.
                from difflib import get_close_matches  # noqa: PLC0415

                near = get_close_matches(key, known, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}."
                raise self.fail(table, key, f"unknown key; {hint}")

    def table(self, name: str, known: tuple[str, ...]) -> Mapping[str, object] | None:
        found = self.tables.get(name)
        if found is None:
            return None
        if not isinstance(found, dict):
            raise self.fail(name, "", f"expected a table, found {found!r}; write it as [{name}].")
        self.refuse_unknown(name, found, known)
        return found

    def integer(self, table: str, key: str, value: object, low: int, high: int) -> int:
        # bool is a subclass of int, and `true` is never what was meant.
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.fail(table, key, f"expected an integer from {low} to {high}, found {value!r}.")
        return value

    def text(self, table: str, key: str, value: object, choices: tuple[str, ...] = ()) -> str:
        if not isinstance(value, str) or not value or (choices and value not in choices):
            wanted = "one of " + ", ".join(choices) if choices else "a non-empty string"
            raise self.fail(table, key, f"expected {wanted}, found {value!r}.")
        return value


def parse_policy(text: str, name: str = "configuration") -> Policy:
    """Check a configuration file's text; ``name`` is what complaints call it.

    Raises ConfigError, naming file, line and key, for anything unknown, ill-typed, out of range,
    looser than the profile without a reason under [loosened], or beyond the profile's hard cap.
    """
    document = _Document(text, name)
    document.refuse_unknown("", document.tables, _TOP)
    profile = document.text("", "profile", document.tables.get("profile", "kdc"), PROFILES)
    limits, loosened = _limits(document, profile)
    shm = document.table("shm", ("unit",))
    status = document.table("status", ("socket",))
    state = document.table("state", ("file",))
    dates = document.table("dates", ("leap_file",))
    return Policy(
        profile=profile,
        limits=limits,
        hard_cap_ppt=HARD_CAPS_PPT[profile],
        receiver=_receiver(document),
        pps=_pps(document, "pps"),
        cesium=_pps(document, "cesium"),
        rtc=_rtc(document),
        phc=_phc(document),
        chrony=_chrony(document),
        ntp=_ntp(document),
        shm_unit=document.integer("shm", "unit", shm["unit"], 0, 255) if shm and "unit" in shm else None,
        status_socket=document.text("status", "socket", status["socket"]) if status else None,
        state_file=document.text("state", "file", state["file"]) if state else None,
        leap_file=document.text("dates", "leap_file", dates["leap_file"]) if dates else None,
        loosened=loosened,
    )


def _receiver(document: _Document) -> ReceiverSettings:
    known = ("device", "protocol", "baud", "framing", "message_delay_us", "message_jitter_us")
    table = document.table("receiver", known)
    if table is None:
        return ReceiverSettings()
    settings = ReceiverSettings()
    if "device" in table:
        settings = replace(settings, device=document.text("receiver", "device", table["device"]))
    if "protocol" in table:
        protocol = document.text("receiver", "protocol", table["protocol"], (AUTO, *sorted(FAMILIES)))
        settings = replace(settings, protocol=protocol)
    if "baud" in table:
        if table["baud"] not in _BAUDS:
            choices = ", ".join(map(str, _BAUDS))
            raise document.fail("receiver", "baud", f"expected one of {choices}, found {table['baud']!r}.")
        settings = replace(settings, baud=document.integer("receiver", "baud", table["baud"], 1, 10**6))
    if "framing" in table:
        framing = document.text("receiver", "framing", table["framing"], _FRAMINGS)
        settings = replace(settings, framing=framing)
    if "message_delay_us" in table:
        delay_us = document.integer("receiver", "message_delay_us", table["message_delay_us"], 0, 1_500_000)
        settings = replace(settings, message_delay_ns=delay_us * NS_PER_US)
    if "message_jitter_us" in table:
        jitter_us = document.integer("receiver", "message_jitter_us", table["message_jitter_us"], 0, 400_000)
        settings = replace(settings, message_jitter_ns=jitter_us * NS_PER_US)
    return settings


def _pps(document: _Document, name: str) -> PpsSettings | None:
    table = document.table(name, ("device", "edge", "delay_ns"))
    if table is None:
        return None
    return PpsSettings(
        device=document.text(name, "device", table.get("device", "/dev/pps0")),
        edge=document.text(name, "edge", table.get("edge", "assert"), ("assert", "clear")),
        delay_ns=document.integer(name, "delay_ns", table.get("delay_ns", 0), -1_000_000, 1_000_000),
    )


def _rtc(document: _Document) -> RtcSettings | None:
    table = document.table("rtc", ("device",))
    if table is None:
        return None
    return RtcSettings(document.text("rtc", "device", table.get("device", RtcSettings().device)))


def _phc(document: _Document) -> PhcSettings | None:
    table = document.table("phc", ("device",))
    if table is None:
        return None
    return PhcSettings(document.text("phc", "device", table.get("device", PhcSettings().device)))


def _chrony(document: _Document) -> ChronySettings | None:
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


def _ntp(document: _Document) -> NtpSettings:
    table = document.table("ntp", ("servers", "poll_s", "timeout_ms"))
    if table is None:
        return NtpSettings()
    listed = table.get("servers", [])
    if not isinstance(listed, list) or not all(isinstance(server, str) for server in listed):
        raise document.fail("ntp", "servers", f"expected a list of host or host:port, found {listed!r}.")
    servers = tuple(_server(document, server) for server in listed)
    if len(set(servers)) != len(servers):
        raise document.fail("ntp", "servers", "a server is listed twice; one machine has one vote.")
    return NtpSettings(
        servers=servers,
        poll_s=document.integer("ntp", "poll_s", table.get("poll_s", 64), 1, 1024),
        timeout_ms=document.integer("ntp", "timeout_ms", table.get("timeout_ms", 1000), 10, 5000),
    )


def _server(document: _Document, written: str) -> tuple[str, int]:
    host, port = written, str(_NTP_PORT)
    if written.startswith("["):
        host, _, rest = written[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif written.count(":") == 1:
        host, port = written.split(":")
    named = host.isascii() and host.isprintable() and " " not in host
    numbered = port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536
    if not host or not named or not numbered:
        raise document.fail("ntp", "servers", f"expected host, host:port or [ipv6]:port, found {written!r}.")
    return host, int(port)


def _limits(document: _Document, profile: str) -> tuple[Limits, tuple[Loosened, ...]]:
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
        if row.key.startswith("mask") and row.key.endswith("_rate_ppt") and value >= cap:
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
