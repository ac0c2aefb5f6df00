"""The address of a gpsd, as ``receiver.device`` names it: ``gpsd://HOST[:PORT][/DEVICE]``."""

import re
from collections.abc import Container
from dataclasses import dataclass

from refclock.policy.reading import Document

SCHEME, PROTOCOL = "gpsd://", "gpsd"
_PORT = 2947
_ADDRESS = re.compile(r"gpsd://(\[[^]/]*\]|[^:/\[\]]*)(?::([0-9]{1,5}))?(/[!-~]*)?", re.ASCII)
_LOOPBACK = re.compile(r"127(?:\.(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])){3}", re.ASCII)
# gpsd writes these SHM units in pairs, the even one by its messages, the odd one by the pulse: for up to 4
# devices as Debian 12 builds it, for up to 6 since (gpsd.h, NTPSHMSEGS).
GPSD_UNITS = range(12)
_SOCKET = re.compile(r"/chrony\.([^/]+)\.sock$")
_DEVICES = ("tty", "pps", "gps", "serial")


@dataclass(frozen=True, slots=True)
class GpsdAddress:
    """Where a gpsd listens, and which of its devices is meant; "" for the only one that it has."""

    host: str
    port: int
    device: str

    @property
    def server(self) -> str:
        """As messages name it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def gpsd_address(device: str) -> GpsdAddress | None:
    """The address in a ``receiver.device``; None for a path. Raises ValueError with what was expected."""
    if not device.startswith(SCHEME):
        return None
    found = _ADDRESS.fullmatch(device)
    if found is None or not 0 < int(found[2] or _PORT) < 1 << 16:
        raise ValueError(f'expected "gpsd://127.0.0.1:{_PORT}/dev/ttyACM0", found {device!r}.')
    host = {"localhost": "127.0.0.1", "[::1]": "::1"}.get(found[1], found[1])
    if host != "::1" and not _LOOPBACK.fullmatch(host):
        raise ValueError(
            f"expected a gpsd on this host (127.0.0.1, [::1] or localhost), found {found[1]!r}: the pulse is "
            "this host's, and nothing vouches for a gpsd's word from elsewhere."
        )
    path = found[3] or ""
    return GpsdAddress(host, int(found[2] or _PORT), "" if path == "/" else path)


def protocol_of(document: Document, table: str, given: Container[str], device: str, protocol: str) -> str:
    """The protocol of a receiver: a gpsd:// address and "gpsd" go together, and the line itself is gpsd's.

    ``table`` is "receiver" or "companion", ``given`` are its keys. Raises ConfigError.
    """
    try:
        address = gpsd_address(device)
    except ValueError as error:
        raise document.fail(table, "device", str(error)) from None
    if address is None:
        if protocol == PROTOCOL and device:
            wanted = f"{SCHEME}127.0.0.1:{_PORT}{device}"
            raise document.fail(table, "device", f"protocol gpsd expects {wanted!r}, found {device!r}.")
        return protocol
    for key in ("baud", "framing"):
        if key in given:
            raise document.fail(
                "receiver", key, "the line is gpsd's; remove this (gpsd -s SPEED sets its own)."
            )
    if protocol not in ("auto", PROTOCOL):
        raise document.fail(
            "receiver", "protocol", f"a gpsd is asked for JSON: expected gpsd, found {protocol!r}."
        )
    return PROTOCOL


def refuse_unit(document: Document, asked: bool, unit: int | None) -> None:
    """Raises ConfigError for an SHM unit that gpsd writes, too, where one is ``asked``."""
    if asked and unit in GPSD_UNITS:
        raise document.fail(
            "shm",
            "unit",
            f"gpsd, which owns a receiver, writes units {GPSD_UNITS[0]} to {GPSD_UNITS[-1]} itself, "
            f"unvetted; found {unit}. Choose another here and in chrony.conf, such as 20.",
        )


def refuse_socket(document: Document, gpsd: GpsdAddress, pulse: str, path: str) -> None:
    """Raises ConfigError for a socket of chrony's that gpsd writes to by its name: /run/chrony.DEVICE.sock of
    the receiver's and of the pulse's device (gpsd(8))."""
    named = _SOCKET.search(path)
    if named is None:
        return
    devices = {device.rpartition("/")[2] for device in (gpsd.device, pulse)}
    if named[1] in devices or (not gpsd.device and named[1].startswith(_DEVICES)):
        raise document.fail(
            "sock",
            "path",
            f"gpsd writes to a socket of that name itself, unvetted; found {path!r}. Choose another here and "
            "in chrony.conf, such as /run/chrony.refclock.sock.",
        )
