"""Which services of this host live by its clock, and how each is stopped and started again."""

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from refclock.chrony.setters import setter_of
from refclock.finding import FAIL
from refclock.setback.processes import Process, Socket, processes, takes_tickets

# Kerberos, kpasswd, kadmin, kprop (MIT's ports; Heimdal's are the same).
PORTS = (88, 464, 749, 754)
# What is started first stands first.
_KNOWN = (
    "krb5kdc", "kdc", "kadmind", "kpasswdd", "kpropd", "hpropd", "ipropd-master", "ipropd-slave",
)  # fmt: skip
_KDCS = ("krb5kdc", "kdc")
TARGET = "refclock-established.target"
_BOOTED = "/run/systemd/system"
_PATIENCE_S = 20
# systemd itself listens for a service that is started when somebody comes.
_MANAGER = 1


@dataclass(frozen=True, slots=True)
class Dependent:
    """A service that lives by the clock: its program, the unit that it runs in (or nothing), its command
    line and whose it is, where it listens, and which processes it is now."""

    name: str
    unit: str
    command: tuple[str, ...]
    sockets: tuple[Socket, ...]
    pids: tuple[int, ...] = ()
    uid: int = 0

    @property
    def what(self) -> str:
        """As it is called when it is spoken of."""
        return self.unit or self.name

    @property
    def is_kdc(self) -> bool:
        """Whether it answers requests for tickets."""
        return self.name in _KDCS or any(one.port == PORTS[0] for one in self.sockets)

    def __str__(self) -> str:
        pids = f", pid {', '.join(map(str, self.pids))}" if self.pids else ""
        unit = f", {self.unit}" if self.unit else ""
        heard = f", listens on {', '.join(map(str, self.sockets))}" if self.sockets else ""
        return f"{self.name or 'a process that cannot be seen'}{pids}{unit}{heard}"

    @property
    def stop(self) -> str:
        """The command that stops it, and keeps it stopped: also over a reboot, where it has a unit."""
        if self.unit:
            return f"systemctl mask --now {shlex.quote(self.unit)}"
        if _MANAGER in self.pids:
            return "systemctl mask --now NAME.socket   # systemctl list-sockets tells its name"
        if self.pids:
            return f"kill {' '.join(map(str, self.pids))}"
        return f"ss -lnptu sport = :{self.sockets[0].port}   # tells who it is: a container, perhaps"

    @property
    def pause(self) -> tuple[str, str]:
        """The commands that stop and start what steers the clock, for as long as it is being set."""
        if self.unit:
            return f"systemctl stop {shlex.quote(self.unit)}", f"systemctl start {shlex.quote(self.unit)}"
        return self.stop, "; ".join(self.start)

    @property
    def start(self) -> list[str]:
        """The commands that start it again."""
        if self.unit:
            unit = shlex.quote(self.unit)
            return [f"systemctl unmask {unit}", f"systemctl start {unit}"]
        if not self.command:
            return []
        # Whoever calls a program krb5kdc would else have root run what it likes.
        line = shlex.join(self.command)
        return [line if self.uid == 0 and line.isprintable() else f"# as uid {self.uid} it was {line!a}"]

    def fields(self) -> dict[str, object]:
        """For the record."""
        sockets = [[one.over, one.address, one.port] for one in self.sockets]
        return {
            "name": self.name, "unit": self.unit, "command": list(self.command), "uid": self.uid,
            "sockets": sockets,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scan:
    """One look at the host: what lives by the clock, what may (it listens, and can take tickets), what
    steers the clock."""

    dependents: list[Dependent]
    perhaps: list[Dependent]
    steerers: list[Dependent]


def dependent_of(fields: Mapping[str, object]) -> Dependent:
    """One that was recorded. Raises ValueError, TypeError or KeyError for what is none."""
    sockets = fields["sockets"]
    command = fields["command"]
    if not isinstance(sockets, list) or not isinstance(command, list):
        raise TypeError("sockets and command: expected lists")
    placed = tuple(Socket(str(over), str(address), int(port)) for over, address, port in sockets)
    words, uid = tuple(map(str, command)), int(str(fields["uid"]))
    return Dependent(str(fields["name"]), str(fields["unit"]), words, placed, uid=uid)


def scan(services: Sequence[str] = (), ports: Sequence[int] = (), root: str = "/proc") -> Scan:
    """Look at what runs and listens. ``services`` are further units or programs that live by the clock,
    ``ports`` further ports."""
    running, unclaimed = processes(root)
    wanted_ports = {*PORTS, *ports}
    units = {*bound_units(), *(one if "." in one else f"{one}.service" for one in services)}
    names = {*_KNOWN, *services}
    ours, others, steerers = [], [], []
    for one in running:
        if _steers(one):
            steerers.append(one)
        elif one.name in names or one.unit in units or any(at.port in wanted_ports for at in one.sockets):
            ours.append(one)
        elif any(at.over == "tcp" for at in one.sockets) and takes_tickets(one.pid, root):
            others.append(one)
    hidden = [Dependent("", "", (), (at,)) for at in unclaimed if at.port in wanted_ports]
    return Scan(in_order([*_merged(ours), *hidden]), _merged(others), _merged(steerers))


def _steers(one: Process) -> bool:
    """Whether it sets or steers the clock, and would do so again while it is being set."""
    setter = setter_of(one.name, one.command)
    return one.name == "chronyd" or (setter is not None and setter.verdict == FAIL)


def in_order(found: Sequence[Dependent]) -> list[Dependent]:
    """As they are to be started: KDCs, then what administers them, then all else."""
    return sorted(found, key=lambda one: _KNOWN.index(one.name) if one.name in _KNOWN else len(_KNOWN))


def _merged(found: Sequence[Process]) -> list[Dependent]:
    """Processes of one unit, or forked from one program, are one service."""
    merged: dict[tuple[str, str], list[Process]] = {}
    for one in found:
        alone = "" if one.unit else f"{one.uid} {shlex.join(one.command)}"
        merged.setdefault((one.unit or one.name, alone), []).append(one)
    return [
        Dependent(
            many[0].name, many[0].unit, many[0].command,
            tuple(sorted({at for one in many for at in one.sockets})), tuple(one.pid for one in many),
            max(one.uid for one in many),
        )
        for many in merged.values()
    ]  # fmt: skip


def bound_units() -> list[str]:
    """The services that bind themselves to established time, as the KDC's drop-in does; none where systemd
    does not run this host, or does not answer."""
    if not os.path.isdir(_BOOTED):
        return []
    command = ["systemctl", "show", "--property=BoundBy", "--value", TARGET]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PATIENCE_S)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [unit for unit in done.stdout.split() if unit.endswith(".service")]
