"""The serial lines of this host as udev knows them, each with what it is, and who has it open."""

import os
import stat as file_kind
from dataclasses import dataclass

import pyudev

from refclock.detect.known import GENERIC, SPECIFIC
from refclock.errors import ConfigError
from refclock.ports.holders import holders

_CONSOLES = "/sys/class/tty/console/active"
# A UART that is not there has a node all the same; its `type` is PORT_UNKNOWN (serial_core.h).
_ABSENT = "0"
# Opening /dev/rfcommN dials.
_RADIO = "bluetooth"
_NAMES = "/dev/refclock/"


@dataclass(frozen=True, slots=True)
class Line:
    """One serial line. What udev does not say is empty.

    ``node`` is the kernel's name, ``stable`` the name to configure: the most lasting one that leads there.
    ``ids`` are a USB device's vendor:product; ``serial`` its serial number, ``port`` where it is plugged in
    (udev's ID_PATH), ``interface`` which of its lines this is. ``held`` says who has it open, ``console``
    that the kernel writes its messages to it. ``pulses`` are the PPS devices on its DCD pin.
    """

    node: str
    stable: str
    vendor: str = ""
    model: str = ""
    serial: str = ""
    driver: str = ""
    ids: str = ""
    port: str = ""
    interface: str = ""
    held: tuple[str, ...] = ()
    console: bool = False
    pulses: tuple[str, ...] = ()

    @property
    def named(self) -> str:
        """The family that its USB ids stand for; empty for a bridge, and for a line of the board."""
        return SPECIFIC.get(self.ids, "")

    @property
    def bridge(self) -> bool:
        """Its ids are those of a bridge, which may front any device."""
        return self.ids in GENERIC


def lines(context: pyudev.Context | None = None) -> list[Line]:
    """Every serial line that hangs on some hardware, in the order of their names; none is opened.

    Raises ConfigError where there is no libudev.
    """
    try:
        known = pyudev.Context() if context is None else context
    except ImportError as error:
        raise ConfigError(f"udev cannot be asked: {error}; install libudev1, or name a device.") from None
    consoles, pulses = _consoles(), _pulses(known)
    found = [
        _line(device, consoles, pulses)
        for device in known.list_devices(subsystem="tty")
        if device.device_node
        and device.parent is not None
        and device.parent.subsystem != _RADIO
        and _attribute(device, "type") != _ABSENT
    ]
    return sorted(found, key=lambda line: _by_number(line.node))


def line_of(path: str, known: list[Line]) -> Line:
    """The line behind a path that the operator named; one that udev does not know is taken at its word.

    Raises ConfigError for a path that leads to no character device.
    """
    node = os.path.realpath(path)
    try:
        mode = os.stat(node).st_mode
    except OSError as error:
        raise ConfigError(f"{path}: {os.strerror(error.errno or 0)}; name a serial line, such as "
                          "/dev/ttyS0, or none to look at all.") from None  # fmt: skip
    if not file_kind.S_ISCHR(mode):
        raise ConfigError(f"{path}: not a device; name a serial line, such as /dev/ttyS0.")
    for line in known:
        if line.node == node:
            return line
    return Line(node=node, stable=path, held=_held(node))


def _line(device: pyudev.Device, consoles: frozenset[str], pulses: dict[str, list[str]]) -> Line:
    properties, node = device.properties, str(device.device_node)
    usb = device.find_parent("usb", "usb_device")
    ids, said = "", {"ID_SERIAL_SHORT": "serial", "ID_VENDOR": "manufacturer", "ID_MODEL": "product"}
    facts = {}
    for key, attribute in said.items():
        # Without udev running the properties are missing; what the device itself says is in /sys.
        facts[key] = properties.get(key, "") or (_attribute(usb, attribute) if usb is not None else "")
    if usb is not None:
        ids = f"{_attribute(usb, 'idVendor')}:{_attribute(usb, 'idProduct')}"
    serial = facts["ID_SERIAL_SHORT"]
    return Line(
        node=node,
        stable=_stable(node, _links(device), serial),
        vendor=properties.get("ID_VENDOR_FROM_DATABASE", "") or facts["ID_VENDOR"],
        model=properties.get("ID_MODEL_FROM_DATABASE", "") or facts["ID_MODEL"],
        serial=serial,
        driver=_driver(device),
        ids=ids,
        port=properties.get("ID_PATH", ""),
        interface=properties.get("ID_USB_INTERFACE_NUM", ""),
        held=_held(node),
        console=os.path.basename(node) in consoles,
        pulses=tuple(pulses.get(node, ())),
    )


def _stable(node: str, links: list[str], serial: str) -> str:
    """A link by id is as good as the serial number in it: two receivers without one share it."""
    order = (
        (_NAMES, "/dev/serial/by-id/", "/dev/serial/by-path/") if serial else (_NAMES, "/dev/serial/by-path/")
    )
    return next((link for place in order for link in links if link.startswith(place)), node)


def _links(device: pyudev.Device) -> list[str]:
    return sorted(device.properties.get("DEVLINKS", "").split())


def _driver(device: pyudev.Device) -> str:
    """The nearest driver above the line; the kernel's own layer between the two (6.5 and later) is none."""
    drivers = (
        str(above.driver) for above in device.ancestors if above.driver and above.subsystem != "serial-base"
    )
    return next(drivers, "")


def _attribute(device: pyudev.Device, name: str) -> str:
    try:
        value: str = device.attributes.asstring(name)
    except (KeyError, UnicodeDecodeError):
        return ""
    return value


def _held(node: str) -> tuple[str, ...]:
    return tuple(map(str, holders(node)))


def _consoles() -> frozenset[str]:
    try:
        with open(_CONSOLES, encoding="ascii", errors="replace") as file:
            return frozenset(file.read().split())
    except OSError:
        return frozenset()


def _pulses(context: pyudev.Context) -> dict[str, list[str]]:
    """The PPS devices of each line: the kernel says of a pulse on a DCD pin on which line it is."""
    found: dict[str, list[str]] = {}
    for device in context.list_devices(subsystem="pps"):
        on, node = _attribute(device, "path"), device.device_node
        if on and node:
            names = [link for link in _links(device) if link.startswith(_NAMES)]
            found.setdefault(on, []).append(names[0] if names else str(node))
    return found


def _by_number(node: str) -> tuple[str, int]:
    """ttyUSB2 before ttyUSB10."""
    name = node.rstrip("0123456789")
    return name, int(node[len(name) :] or 0)
