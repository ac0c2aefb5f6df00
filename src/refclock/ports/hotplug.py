"""Devices that come back: udev says so, and the ports that wait for them need not wait for their next look.

Without it they return all the same, within 10 s; so whatever goes wrong here costs time and nothing else.
"""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from refclock.errors import PortError
from refclock.model import Event, Mark
from refclock.ports import stamp
from refclock.ports.identity import context
from refclock.ports.port import DevicePort, Port

if TYPE_CHECKING:
    import pyudev

HOTPLUG_PORT = "udev0"
_SUBSYSTEMS = ("tty", "pps")
# A hub full of devices; what comes beyond that in one turn of the loop is read in the next.
_AT_ONCE = 64


class HotplugPort(DevicePort):
    """Listens to udev's own events (after its rules have run, so that links and permissions are there) and
    nudges the ports whose device came. What came and went is a note in the capture, for people."""

    def __init__(self, watched: Sequence[DevicePort], name: str = HOTPLUG_PORT) -> None:
        super().__init__(name)
        self._watched = {port.device: port for port in watched}
        self._monitor: pyudev.Monitor | None = None

    def _open(self) -> str:
        try:
            import pyudev  # noqa: PLC0415  # see identity.context

            monitor = pyudev.Monitor.from_netlink(context())
            for subsystem in _SUBSYSTEMS:
                monitor.filter_by(subsystem)
            monitor.start()
        except (ImportError, OSError) as error:
            raise PortError(
                f"udev cannot be listened to: {error}; install libudev1, and let the unit use "
                "RestrictAddressFamilies=AF_NETLINK. Until then a device that returns is found within 10 s."
            ) from None
        self._monitor, self.fd = monitor, monitor.fileno()
        return f"watching for {', '.join(self._watched)}"

    def _shut(self) -> None:
        self._monitor = self.fd = None  # pyudev closes it with its last reference

    def on_ready(self) -> list[Event]:
        """Devices came or went."""
        events: list[Event] = []
        for _ in range(_AT_ONCE):
            if self._monitor is None:
                break
            try:
                device = self._monitor.poll(timeout=0)
            except OSError as error:
                # Its buffer ran over, say. Who came meanwhile is not known, so everybody looks.
                for port in self._watched.values():
                    port.nudge()
                return [*events, *self._lost(f"udev's events were lost: {error}; listening anew.")]
            if device is None:
                break
            events += self._seen(device)
        return events

    def _seen(self, device: "pyudev.Device") -> list[Event]:
        node = device.device_node or ""
        names = {node, *device.properties.get("DEVLINKS", "").split()}
        events: list[Event] = []
        for path, port in self._watched.items():
            if path not in names and os.path.realpath(path) != node:
                continue
            if device.action != "remove":
                port.nudge()
            text = f"udev: {device.action} {node}" + (f", called {path}" if path != node else "")
            events.append(Mark(*stamp.now(), text=text))
        return events


def with_hotplug(ports: list[Port]) -> list[Port]:
    """These ports and, where one of them is a device that can come and go, one that watches for it."""
    watched = [port for port in ports if isinstance(port, DevicePort) and _can_return(port.device)]
    return [HotplugPort(watched), *ports] if watched else ports


def _can_return(device: str) -> bool:
    return device.startswith("/dev/") and not device.startswith("/dev/pts/")
