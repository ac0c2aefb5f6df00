"""Which receiver is behind a name: what udev says of it that no other one would say.

A name like /dev/ttyUSB0 goes to whatever is plugged in next. So the one that was opened first is remembered
(or the configuration says which), and another one is refused.
"""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Protocol

from refclock.errors import PortError
from refclock.policy import ReceiverSettings

if TYPE_CHECKING:
    import pyudev


@dataclass(frozen=True, slots=True)
class Identity:
    """A device on USB. ``ids`` are vendor:product, ``serial`` its serial number (ID_SERIAL_SHORT), empty for
    none, ``path`` where it is plugged in (ID_PATH), ``interface`` which of its lines this is."""

    ids: str = ""
    serial: str = ""
    path: str = ""
    interface: str = ""

    def __str__(self) -> str:
        return f"{self.ids} " + (f"serial {self.serial}" if self.serial else f"at {self.path}")

    def same(self, other: "Identity") -> bool:
        """By serial number, wherever it is plugged in; without one by kind and place."""
        mark, others = self.serial or self.path, other.serial or other.path
        return (self.ids, self.interface, mark) == (other.ids, other.interface, others)

    def fields(self) -> dict[str, object]:
        """For the state file."""
        return asdict(self)


class Known(Protocol):
    """Where it is remembered, by the name of the port: refclock.runtime.StateFile."""

    def recall(self, port: str) -> Mapping[str, object] | None: ...
    def learn(self, port: str, fields: Mapping[str, object]) -> None: ...


@cache
def context() -> "pyudev.Context":
    """The only one: to find libudev it starts a child process, which is not to be done twice (ADR 0004).

    Raises ImportError where there is no libudev.
    """
    # Only for those who have hardware: the import costs 28 ms.
    import pyudev  # noqa: PLC0415

    return pyudev.Context()


def identity_of(device: str) -> Identity | None:
    """None for what is not on USB, and while udev has not (or never will have) looked at it."""
    node = os.path.realpath(device)
    try:
        number = os.stat(node).st_rdev
    except OSError:
        return None
    if not os.path.exists(f"/sys/dev/char/{os.major(number)}:{os.minor(number)}"):
        return None  # a pty
    try:
        import pyudev  # noqa: PLC0415

        known = context()
    except ImportError:
        return None
    try:
        properties = pyudev.Devices.from_device_file(known, node).properties
    except (pyudev.DeviceNotFoundError, OSError, ValueError):  # gone by now
        return None
    try:
        ids, path = f"{properties['ID_VENDOR_ID']}:{properties['ID_MODEL_ID']}", properties["ID_PATH"]
    except KeyError:  # not on USB, or udev has not been here yet
        return None
    return Identity(
        ids, properties.get("ID_SERIAL_SHORT", ""), path, properties.get("ID_USB_INTERFACE_NUM", "")
    )


def admitted(settings: ReceiverSettings, remembered: Mapping[str, object] | None) -> Identity | None:
    """Who is behind ``settings.device`` now, None for one without identity that may have none.

    Raises PortError for another one than the configuration names or, where it names none, than was
    remembered; and while nobody can tell who it is although it matters.
    """
    found = identity_of(settings.device)
    whom = wanted(settings, remembered)
    if not whom:
        return found
    if found is None:
        raise PortError(
            f"{settings.device}: udev does not say which device this is, expected {whom}; see whether "
            "systemd-udevd runs."
        )
    if _is(found, settings, remembered):
        return found
    keys = f'serial = "{found.serial}"' if found.serial else f'path = "{found.path}"'
    raise PortError(
        f"{settings.device}: another receiver: found {found}, expected {whom}; plug that one in again, or, "
        f"where it was exchanged on purpose, set {keys} in the configuration beside its device."
    )


def wanted(settings: ReceiverSettings, remembered: Mapping[str, object] | None) -> str:
    """Which receiver is expected, for people; "" for any."""
    if settings.serial or settings.path:
        said = (settings.serial and f"serial {settings.serial}", settings.path and f"at {settings.path}")
        return " ".join(word for word in said if word)
    return str(_from(remembered)) if remembered else ""


def _is(found: Identity, settings: ReceiverSettings, remembered: Mapping[str, object] | None) -> bool:
    if settings.serial or settings.path:
        return settings.serial in ("", found.serial) and settings.path in ("", found.path)
    return remembered is None or found.same(_from(remembered))


def _from(fields: Mapping[str, object]) -> Identity:
    """What the state file holds; it is sealed, so what is there is ours."""
    return Identity(**{key: str(fields.get(key, "")) for key in Identity.__slots__})
