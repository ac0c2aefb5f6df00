"""What tests with played hardware share: umockdev, and a /dev, /run and /etc/group of their own."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from refclock.ports.holders import holders

SYSTEM_PYTHON = "/usr/bin/python3"
HERE = Path(__file__).resolve().parent

# udevadm makes links and databases even when it only tests (before systemd 257), and umockdev redirects
# what is read, not these. So all it may write lies in a mount namespace. Programs that a rule runs get no
# environment from udevadm: to have them see the played devices too, udevadm is replaced by a script.
_SECLUDED = r"""
set -e
mount -t tmpfs tmpfs "$PLACE"
for node in null zero full random urandom; do
    : >"$PLACE/$node"
    mount --bind "/dev/$node" "$PLACE/$node"
done
mkdir "$PLACE/pts" "$PLACE/shm"
mount --bind /dev/pts "$PLACE/pts"
ln -s pts/ptmx "$PLACE/ptmx"
mount --move "$PLACE" /dev
mount -t tmpfs tmpfs /run
mkdir -p /run/udev/rules.d /run/refclock
cp "$RULES"/*.rules /run/udev/rules.d/
cp /etc/group /run/refclock/group
grep -q ^refclock: /etc/group || echo refclock:x:64999: >>/run/refclock/group
mount --bind /run/refclock/group /etc/group
cp "$UDEVADM" /run/refclock/udevadm
mount --bind "$PLAYED" "$UDEVADM"
exec "$@"
"""


@pytest.fixture(scope="session")
def umockdev(require_program) -> Callable[..., list[str]]:
    """A function: the command line that runs a script of the system's Python, which alone can have
    umockdev's introspection, in umockdev's test bed."""
    wrapper = require_program("umockdev-wrapper")
    needs = "import gi; gi.require_version('UMockdev', '1.0'); from gi.repository import UMockdev"
    if subprocess.run([SYSTEM_PYTHON, "-c", needs], capture_output=True, check=False).returncode:
        told = "the system's Python lacks the packages python3-gi and gir1.2-umockdev-1.0"
        pytest.fail(told) if os.environ.get("CI") == "true" else pytest.skip(told)
    return lambda *command: [wrapper, SYSTEM_PYTHON, *map(str, command)]


@pytest.fixture(scope="session")
def bed(umockdev) -> Callable[..., list[str]]:
    """A function: the command line that plays the devices of a description to a command."""
    return lambda description, *command: umockdev(HERE / "umockdev_bed.py", description, *command)


@pytest.fixture
def gpsd_on(require_program) -> Callable[[str], AbstractContextManager[int]]:
    """A function: a context in which a real gpsd has a line open; its pid.

    In an IPC namespace of its own: gpsd makes segments for ntpd on starting, and never removes them.
    """
    own_ipc = [require_program("unshare"), "--ipc", *(() if os.geteuid() == 0 else ("--map-root-user",))]
    if subprocess.run([*own_ipc, "true"], stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("no IPC namespace can be made here")

    @contextmanager
    def run(device: str) -> Iterator[int]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            free = str(probe.getsockname()[1])
        command = [*own_ipc, require_program("gpsd"), "-N", "-n", "-b", "-S", free, os.path.realpath(device)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            limit = time.monotonic() + 10
            while not holders(device) and time.monotonic() < limit:
                time.sleep(0.02)
            yield process.pid
        finally:
            process.terminate()
            process.wait()

    return run


@pytest.fixture
def secluded(require_program, tmp_path) -> Callable[..., list[str]]:
    """A function: the command line that runs a command where udevadm can do no harm, and where the rules of
    ``rules`` are installed; it takes what ``env`` must hold besides."""
    unshare, udevadm = require_program("unshare"), require_program("udevadm")
    spaces = [unshare, "--mount", *(() if os.geteuid() == 0 else ("--map-root-user",))]
    if subprocess.run([*spaces, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], check=False).returncode:
        pytest.skip("no mount namespace can be made here")
    place, played = tmp_path / "dev", tmp_path / "udevadm"
    place.mkdir()
    played.write_text(
        '#!/bin/sh\nLD_PRELOAD=libumockdev-preload.so.0 UMOCKDEV_DIR="$(cat /run/refclock/root)" '
        'exec /run/refclock/udevadm "$@"\n'
    )
    played.chmod(0o755)
    real = os.path.realpath(udevadm)

    def command(rules: Path, *words: object) -> list[str]:
        env = [f"PLACE={place}", f"RULES={rules}", f"UDEVADM={real}", f"PLAYED={played}"]
        return [*spaces, "env", *env, "sh", "-c", _SECLUDED, "secluded", *map(str, words)]

    return command


@pytest.fixture(scope="session")
def usb_line() -> Callable[..., tuple[str, str]]:
    """A function: the description, for umockdev, of a line on USB and all that it hangs on; and its path."""
    return _usb_line


def _usb_line(
    ids, *, serial="", devpath="2", interface=0, node="ttyACM0", major=166, minor=0, chip="", link=""
):
    """With ``link`` also what udev adds for one of that name: its ID_ properties and links."""
    vendor, product = ids.split(":")
    host = "/devices/pci0000:00/0000:00:14.0"
    device = f"{host}/usb1/1-{devpath}"
    there = f"{device}/1-{devpath}:1.{interface}"
    line = f"{there}/{node}/tty/{node}" if chip else f"{there}/tty/{node}"
    about = f"idVendor={vendor} idProduct={product} serial={serial} manufacturer=Maker product=Thing"
    parts = [
        (host, "pci", "DRIVER=xhci_hcd", "vendor=0x8086 device=0xa36d"),
        (f"{host}/usb1", "usb", "DEVTYPE=usb_device", "busnum=1 devpath=0"),
        (device, "usb", "DEVTYPE=usb_device DRIVER=usb", f"busnum=1 devpath={devpath} {about}"),
        (there, "usb", f"DEVTYPE=usb_interface DRIVER={chip or 'cdc_acm'}",
         f"bInterfaceNumber={interface:02} bInterfaceClass=02"),
    ]  # fmt: skip
    if chip:
        parts.append((f"{there}/{node}", "usb-serial", f"DRIVER={chip}", "port_number=0 latency_timer=16"))
    parts.append((line, "tty", f"DEVNAME=/dev/{node} MAJOR={major} MINOR={minor}", f"dev={major}:{minor}"))
    known = []
    if link:
        port = f"pci-0000:00:14.0-usb-0:{devpath}:1.{interface}"
        known = [
            f"DEVLINKS=/dev/refclock/{link} /dev/serial/by-path/{port}", f"ID_PATH={port}", "ID_BUS=usb",
            f"ID_VENDOR_ID={vendor}", f"ID_MODEL_ID={product}", "ID_VENDOR=Maker", "ID_MODEL=Thing",
            f"ID_SERIAL=Maker_Thing{serial and '_'}{serial}", f"ID_USB_INTERFACE_NUM={interface:02}",
            *([f"ID_SERIAL_SHORT={serial}"] if serial else []),
        ]  # fmt: skip
    text = ""
    for path, subsystem, properties, attributes in parts:
        lines = [f"P: {path}", *([f"N: {node}"] if path == line else []), f"E: SUBSYSTEM={subsystem}"]
        lines += [f"E: {one}" for one in [*properties.split(), *(known if path == line else [])]]
        lines += [f"A: {one}\\n" for one in attributes.split() if not one.endswith("=")]
        driver = properties.partition("DRIVER=")[2]
        lines += [f"L: driver=../bus/{subsystem}/drivers/{driver}"] if driver else []
        # The link that every device of a class has to what it belongs to.
        lines += [f"L: device=../../../{line.split('/')[-3]}"] if path == line else []
        text += "\n".join(lines) + "\n\n"
    return text, line
