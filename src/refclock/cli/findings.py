"""What ``refclock check`` finds: one finding for each thing that a daemon with this configuration needs."""

import os
import statistics
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from refclock.chrony.leap import leap_list
from refclock.chrony.ways import chrony
from refclock.cli.asking import chrony_sources, gpsd
from refclock.cli.neighbours import neighbours
from refclock.cli.status import ask
from refclock.errors import ConfigError, PortError
from refclock.finding import FAIL, OK, WARN, Finding
from refclock.kerberos.asking import Kdc, ask_kdcs, by_system_clock
from refclock.model import STA_UNSYNC, NtpReply, PortChange, SystemClock
from refclock.policy import Policy
from refclock.ports import Port, ports_of
from refclock.ports.holders import holders
from refclock.ports.ntp import describe
from refclock.ports.once import ask_once
from refclock.runtime import StateFile
from refclock.units import NS_PER_MS, NS_PER_S, printable, show_ns
from refclock.wire import sntp
from refclock.wire.families import doubts

_GOOD_COUNTERS = (
    "tsc", "arch_sys_counter", "kvm-clock", "hyperv_clocksource_tsc_page", "xen", "riscv_clocksource",
)  # fmt: skip
_QUORUM = 3


def examine(policy: Policy, config: str) -> Iterator[Finding]:
    """Everything, in the order in which a person would look."""
    yield Finding("configuration", f"{config}: profile {policy.profile}, running as uid {os.geteuid()}")
    yield from neighbours(policy, config)
    for row in policy.loosened:
        yield Finding(f"limit {row.key}", f"{row.default} -> {row.chosen}: {row.reason}", WARN)
    ports = {port.name: port for port in ports_of(policy, _memory(policy))}
    yield _receiver(policy, ports.get("gps0"))
    yield _pulse(policy, ports.get("cs0" if policy.cesium_is_primary else "pps0"))
    yield from _clock(policy, ports["sys0"], ports.get("rtc0"))
    yield from _servers(policy, [port for name, port in ports.items() if name.startswith("ntp")])
    yield from _kdcs(policy)
    for name, what in (("num0", "second receiver"), ("phc0", "PHC")):
        if name in ports:
            yield _opened(ports[name], what)
    if "chrony0" in ports:
        yield chrony_sources(ports["chrony0"])
    yield from chrony(policy)
    yield Finding("chrony.conf", f"not looked at here: refclock doctor --config {config} judges it")
    yield _status(policy)
    if policy.time_file is not None:
        yield _directory("time file", policy.time_file, "RuntimeDirectory=refclock")
    yield _state(policy)
    yield _leap(policy)


def _memory(policy: Policy) -> StateFile | None:
    """Which receiver the daemon remembers; nothing is written. What cannot be read is told below."""
    if policy.state_file is None:
        return None
    state = StateFile(policy.state_file, lambda priority, text: None)
    with suppress(ConfigError):
        state.load()
    return state


def _opened(port: Port, what: str) -> Finding:
    """Whether a port opens; it is closed again at once."""
    try:
        events = port.open()
    except PortError as error:
        return Finding(what, str(error), FAIL)
    finally:
        port.close()
    told = [event.reason for event in events if isinstance(event, PortChange)]
    return Finding(what, told[0] if told else "opens")


def _receiver(policy: Policy, port: Port | None) -> Finding:
    device = policy.receiver.device
    if port is None and policy.receiver.pulse_only:
        return Finding("receiver", "a standard without labels: the witnesses number its pulses")
    if port is None:
        return Finding(
            "receiver", "none configured: nothing will be published", WARN, "set [receiver] device"
        )
    if policy.receiver.gpsd is not None:
        return gpsd(port)
    daemons = [holder for holder in holders(device) if "refclock" in holder.name]
    if daemons:
        return Finding("receiver", f"{device}: read by {daemons[0]}")
    opened = _opened(port, "receiver")
    told, mend = doubts(policy.receiver.protocol, policy.receiver.timescale)
    if opened.verdict != OK or not told:
        return opened
    return replace(opened, found=f"{opened.found}; {told}", verdict=WARN, mend=mend)


def _pulse(policy: Policy, port: Port | None) -> Finding:
    if port is None or policy.pulse is None:
        return Finding(
            "pulse", "no PPS: seconds are good to milliseconds only", WARN, 'set [pps] device = "/dev/pps0"'
        )
    return _opened(port, "pulse")


def _clock(policy: Policy, clock: Port, rtc: Port | None) -> Iterator[Finding]:
    """The system clock's counter and discipline, and whether the RTC is independent of it."""
    try:
        looks = [event for event in clock.open() if isinstance(event, SystemClock)]
    except PortError as error:
        yield Finding("system clock", str(error), FAIL)
        looks = []
    finally:
        clock.close()
    for look in looks:
        good = look.clocksource in _GOOD_COUNTERS
        rate = (look.tick_us - 10_000) * 100_000 + look.freq_ppb
        yield Finding(
            "counter",
            f"clocksource {look.clocksource}; the system clock is steered by {rate} ppb",
            OK if good else WARN,
            ""
            if good
            else "hpet and acpi_pm are slow and coarse: find out why the kernel gave up tsc (dmesg)",
        )
    if rtc is None or policy.rtc is None:
        yield Finding("RTC", "not configured: one witness less", WARN, "add a section [rtc]")
        return
    finding = _opened(rtc, "RTC")
    if finding.verdict == OK and any(not look.status & STA_UNSYNC for look in looks):
        finding = Finding(
            "RTC",
            f"{policy.rtc.device}: the kernel copies the system clock into it each 11 minutes, so it follows "
            "the system clock and is no witness",
            WARN,
            "remove rtcsync from chrony.conf",
        )
    yield finding


def _servers(policy: Policy, ports: list[Port]) -> Iterator[Finding]:
    count = len(ports)
    if count < _QUORUM:
        yield Finding(
            "NTP",
            f"{count} server{'s' * (count != 1)}: no majority can outvote a wrong one",
            WARN,
            f"name at least {_QUORUM} independent ones under [ntp] servers, none of which follows this host",
        )
    answers = ask_once(ports, policy.ntp.timeout_ms * NS_PER_MS + NS_PER_S)
    widths: list[int] = []
    for (host, number), port in zip(policy.ntp.servers, ports, strict=True):
        what, told = f"NTP {host}:{number}", answers[port.name]
        if isinstance(told, str):
            yield Finding(what, told, WARN)
            continue
        reply = next((one for one in told if isinstance(one, NtpReply)), None)
        packet = None if reply is None or reply.data is None else sntp.decode(reply.data)
        if reply is None or packet is None:
            yield Finding(what, "no answer", WARN, "see whether it runs, and whether UDP passes the firewall")
            continue
        delay_ns = reply.t4_raw_ns - reply.t1_raw_ns
        widths.append(delay_ns + packet.root_delay_ns + 2 * packet.root_dispersion_ns)
        trip = f"answers in {show_ns(delay_ns).lstrip('+')}, stratum {packet.stratum}"
        if follows := printable(describe(reply.data or b"").get("reference", "")):
            trip += f" ({follows})"
        fit = 0 < packet.stratum < 16 and packet.leap != 3
        yield Finding(what, trip, OK) if fit else Finding(what, f"{trip}: not synchronised", WARN)
    widest_ns, limit_ns = statistics.median(widths or [0]), policy.limits.quorum_error_ns
    if widest_ns > limit_ns:
        yield Finding(
            "NTP quorum",
            f"these servers tell UTC to {show_ns(int(widest_ns)).lstrip('+')} at best, and a quorum wider "
            f"than E_q ({show_ns(limit_ns).lstrip('+')}) cannot judge: it will veto nothing",
            WARN,
            "name nearer servers, or choose a greater quorum_error_us",
        )


def _kdcs(policy: Policy) -> Iterator[Finding]:
    """One answer of each KDC tells its clock to a second, which is enough to see whether Kerberos works."""
    settings = policy.realm
    kdcs = [Kdc(server, (settings.transport,)) for server in settings.kdcs]
    for one in by_system_clock(ask_kdcs(settings.realm, kdcs, settings.timeout_ms, rounds=1)):
        what = f"KDC {one.peer}"
        if one.trouble:
            yield Finding(
                what, one.trouble, WARN, "see whether it runs, and whether its port passes the firewall"
            )
            continue
        found = f"its clock less ours: {show_ns(one.low_ns)} to {show_ns(one.high_ns)}"
        agrees = one.low_ns <= NS_PER_S and one.high_ns >= -NS_PER_S
        yield (
            Finding(what, found)
            if agrees
            else Finding(what, found, WARN, "refclock realm says who strays; all KDCs of a realm must agree")
        )


def _status(policy: Policy) -> Finding:
    path = policy.status_socket
    if path is None:
        return Finding("status socket", "none: `refclock status` will not work", WARN, "set [status] socket")
    if os.path.lexists(path):
        try:
            ask(path)
        except PortError as error:
            return Finding("status socket", str(error), WARN, "a daemon that starts replaces a stale socket")
        return Finding("status socket", f"{path}: a daemon answers")
    return _directory("status socket", path, "RuntimeDirectory=refclock")


def _state(policy: Policy) -> Finding:
    path = policy.state_file
    if path is None:
        return Finding(
            "state file", "none: a restart forgets the floor, and a lock", WARN, "set [state] file"
        )
    try:
        state = StateFile(path, lambda priority, text: None)
        state.load()
    except ConfigError as error:
        return Finding("state file", str(error), FAIL)
    if state.tampered:
        mend = "find out who changed it; the daemon will lock"
        return Finding("state file", f"{path}: {state.tampered}", FAIL, mend)
    return _directory("state file", path, "StateDirectory=refclock")


def _directory(what: str, path: str, systemd: str) -> Finding:
    directory = os.path.dirname(path) or "."
    if os.access(directory, os.W_OK | os.X_OK):
        return Finding(what, f"{path}: its directory is writable")
    reason = "may not be written by this user" if os.path.isdir(directory) else "does not exist"
    return Finding(
        what, f"{path}: its directory {reason}", FAIL, f"mkdir and chown it, or let systemd: {systemd}"
    )


def _leap(policy: Policy) -> Finding:
    path = policy.leap_file
    if path is None:
        return Finding(
            "leap file", "none: a leap second then needs two sources", WARN,
            'set [dates] leap_file = "/usr/share/zoneinfo/leap-seconds.list"',
        )  # fmt: skip
    return leap_list(path, WARN)
