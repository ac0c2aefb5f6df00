"""An enrolment: the operator's word that a certain line is a receiver, as one rule for udev.

The rule only names the line; what a name entails (access, latency, the service) is in 70-refclock.rules.
"""

import os
import re

from refclock.detect.devices import Line
from refclock.errors import ConfigError
from refclock.units import printable

_NAME = re.compile(r"[0-9A-Za-z_][0-9A-Za-z_.:]{0,47}")
# What udev leaves in a serial number or a path (udev_replace_chars) less what its patterns give a meaning to.
_PLAIN = re.compile(r"[0-9A-Za-z_.:=@#+-]+")
# Lines of the board, which the firmware numbers.
_BOARD = re.compile(r"tty(S|AMA|mxc|O|PS|SC)[0-9]+")
WAYS = ("serial", "path")


def rules_file(name: str) -> str:
    """The file's name: it sorts after 60-serial.rules, which makes what it matches, and before our own."""
    return f"69-refclock-{name}.rules"


def enrolment(line: Line, name: str, way: str, others: list[Line]) -> str:
    """The rules file that calls ``line`` /dev/refclock/``name``, known again by "serial" or "path".

    ``others`` are all lines of the host. Raises ConfigError for an unsuitable name, and where the way would
    not tell this line from others.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r}: no name for a receiver; use up to 48 letters, digits, _ . and : only, as in "
            "gps0 (units are named after it)."
        )
    keys = _keys(line, way)
    same = [one.node for one in others if one != line and _matches(one, line, way)]
    if same:
        raise ConfigError(
            f"{line.node}: its serial number {line.serial} is also that of {', '.join(same)}; use --by path."
        )
    told = " ".join(filter(None, (line.vendor, line.model, f"serial {line.serial}" if line.serial else "")))
    clean = printable(told) or "a line of the board"
    match = ", ".join(f'{key}=="{value}"' for key, value in keys.items())
    return (
        f"# {clean}, enrolled as {name} by its {way if line.ids else 'place'}.\n"
        f'ACTION!="remove", SUBSYSTEM=="tty", {match}, '
        f'ENV{{REFCLOCK_NAME}}="{name}", ENV{{REFCLOCK_ENROLLED}}="1"\n'
    )


def _keys(line: Line, way: str) -> dict[str, str]:
    if not line.ids:
        kernel = os.path.basename(line.node)
        if not _BOARD.fullmatch(kernel):
            raise ConfigError(
                f"{line.node}: neither on USB nor a line of the board; it cannot be told again."
            )
        return {"KERNEL": kernel}
    vendor, _, product = line.ids.partition(":")
    keys = {"ENV{ID_VENDOR_ID}": vendor, "ENV{ID_MODEL_ID}": product}
    value = line.serial if way == "serial" else line.port
    if not value:
        other = "path" if way == "serial" else "serial"
        what = "no serial number" if way == "serial" else "no path known to udev"
        raise ConfigError(f"{line.node}: has {what}; use --by {other}.")
    if not _PLAIN.fullmatch(value):
        raise ConfigError(f"{line.node}: {value!r} cannot stand in a rule as it is; use the other --by.")
    keys["ENV{ID_SERIAL_SHORT}" if way == "serial" else "ENV{ID_PATH}"] = value
    if line.interface:
        keys["ENV{ID_USB_INTERFACE_NUM}"] = line.interface
    return keys


def _matches(other: Line, line: Line, way: str) -> bool:
    alike = (other.ids, other.serial, other.interface) == (line.ids, line.serial, line.interface)
    return way == "serial" and bool(line.ids) and alike


def default_way(line: Line) -> str:
    """By serial number where there is one: the receiver may then move to another socket."""
    return "serial" if line.serial or not line.ids else "path"
