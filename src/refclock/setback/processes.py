"""What runs on this host and what it listens on, from /proc (proc(5)), as far as we may look."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

_LISTENING, _UNCONNECTED = "0A", "07"
_TABLES = (("tcp", _LISTENING), ("tcp6", _LISTENING), ("udp", _UNCONNECTED), ("udp6", _UNCONNECTED))
_UNIT = re.compile(r"/([^/\s]+\.service)(?=/|$)", re.M)
_LARGEST = 1 << 20
# Whoever has one of these mapped can take tickets.
_LIBRARIES = (b"/libgssapi", b"/libkrb5.", b"/libkrb5-")


@dataclass(frozen=True, slots=True, order=True)
class Socket:
    """A socket that waits for clients: ``over`` is tcp or udp; an unspecified address is "*"."""

    over: str
    address: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{self.over} {host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Process:
    """A process: ``name`` is its program's, ``unit`` the service that systemd runs it for, or nothing, and
    ``uid`` whose it is."""

    pid: int
    name: str
    command: tuple[str, ...]
    unit: str
    uid: int
    sockets: tuple[Socket, ...] = ()


def processes(root: str = "/proc") -> tuple[list[Process], list[Socket]]:
    """All processes, ourselves left out, by pid; and the sockets of which nobody could be found. Without
    privilege other users' sockets are among those."""
    waiting = _waiting(root)
    found = []
    claimed: set[int] = set()
    for entry in sorted((name for name in os.listdir(root) if name.isdigit()), key=int):
        inodes = [inode for inode in _inodes(f"{root}/{entry}/fd") if inode in waiting]
        claimed.update(inodes)
        if int(entry) != os.getpid() and (one := _process(root, entry)) is not None:
            sockets = tuple(sorted({waiting[inode] for inode in inodes}))
            found.append(replace(one, sockets=sockets))
    return found, sorted({socket for inode, socket in waiting.items() if inode not in claimed})


def takes_tickets(pid: int, root: str = "/proc") -> bool:
    """Whether a process has a Kerberos or GSS-API library in its memory."""
    return any(library in _read(f"{root}/{pid}/maps") for library in _LIBRARIES)


def _process(root: str, entry: str) -> Process | None:
    """None for one that has ended, and for a thread of the kernel's."""
    command = tuple(word.decode("utf-8", "replace") for word in _read(f"{root}/{entry}/cmdline").split(b"\0"))
    while command and not command[-1]:
        command = command[:-1]
    if not command:
        return None
    comm = _read(f"{root}/{entry}/comm").decode("utf-8", "replace").strip()
    called = os.path.basename(command[0])
    # comm has 15 characters; a script's is its interpreter's only if nothing else was set.
    name = called if comm and called.startswith(comm) else comm or called
    try:
        uid = os.stat(f"{root}/{entry}").st_uid
    except OSError:
        return None
    return Process(int(entry), name, command, _unit(_read(f"{root}/{entry}/cgroup")), uid)


def _unit(cgroups: bytes) -> str:
    """The system's service that a process belongs to; a user's manager is not systemctl's to ask as root."""
    found = _UNIT.findall(cgroups.decode("utf-8", "replace"))
    return "" if not found or found[0].startswith("user@") else found[-1]


def _waiting(root: str) -> dict[int, Socket]:
    """The sockets that wait for clients, by inode."""
    found = {}
    for table, state in _TABLES:
        for line in _read(f"{root}/net/{table}").decode("ascii", "replace").splitlines()[1:]:
            fields = line.split()
            if len(fields) > 9 and fields[3] == state and fields[9].isdigit():
                address, _, port = fields[1].partition(":")
                found[int(fields[9])] = Socket(table[:3], _address(address), int(port, 16))
    return found


def _address(digits: str) -> str:
    """An address as /proc/net writes it: 32-bit words, each in this machine's byte order."""
    words = [bytes.fromhex(digits[at : at + 8])[::-1] for at in range(0, len(digits), 8)]
    data = b"".join(words)
    if not any(data):
        return "*"
    if len(data) == 4:
        return ".".join(map(str, data))
    if data[:12] == b"\0" * 10 + b"\xff\xff":
        return ".".join(map(str, data[12:]))
    groups = [data[at : at + 2].hex().lstrip("0") or "0" for at in range(0, 16, 2)]
    return ":".join(groups) if any(data[:15]) or data[15] != 1 else "::1"


def _inodes(directory: str) -> Iterator[int]:
    try:
        numbers = os.listdir(directory)
    except OSError:  # not ours to see, or gone by now
        return
    for number in numbers:
        try:
            link = os.readlink(f"{directory}/{number}")
        except OSError:
            continue
        if link.startswith("socket:["):
            yield int(link[8:-1])


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_LARGEST)
    except OSError:
        return b""
