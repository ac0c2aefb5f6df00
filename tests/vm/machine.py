"""A virtual machine: QEMU without KVM, driven over QMP, with an agent inside that runs commands."""

import base64
import json
import os
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.vm.image import Image, early

_START_S, _BOOT_S = 30.0, 300.0
NICE = -15
# No HPET: with one, the battery clock's update interrupt scatters by 26 ms. A plain processor model, and no
# mitigations: the emulator has nothing to leak, and boots in a third of the time.
_HARDWARE = (
    "-M q35,hpet=off -cpu Nehalem -smp 2 -m 1024 -accel tcg,thread=multi,tb-size=512 -nodefaults "
    "-no-user-config -display none -rtc base=utc,clock=host -device virtio-rng-pci -device qemu-xhci,id=usb"
)
_CMDLINE = "console=ttyS0 panic=-1 net.ifnames=0 mitigations=off tsc=reliable quiet"


_STARTING = "systemctl list-jobs --no-legend | grep -w running | grep -v refclock-wait"


@dataclass(frozen=True, slots=True)
class Done:
    """How a command in the guest ended, and what it printed."""

    status: int
    output: str


class GuestError(AssertionError):
    """The guest did not do what a scenario relies on."""


class Line:
    """JSON objects, one a line, over a Unix socket of QEMU's."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        end = time.monotonic() + _START_S
        while True:
            try:
                self._socket.connect(str(path))
                break
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)
        self._pending = b""

    def send(self, message: Mapping[str, object]) -> None:
        self._socket.sendall(json.dumps(message).encode() + b"\n")

    def receive(self, timeout_s: float) -> dict[str, Any]:
        """The next object. Raises TimeoutError."""
        end = time.monotonic() + timeout_s
        while b"\n" not in self._pending:
            self._socket.settimeout(max(0.001, end - time.monotonic()))
            data = self._socket.recv(1 << 20)
            if not data:
                raise GuestError("the virtual machine is gone")
            self._pending += data
        line, _, self._pending = self._pending.partition(b"\n")
        told = json.loads(line)
        assert isinstance(told, dict)
        return told

    def close(self) -> None:
        self._socket.close()


def hurry(task: int, priority: int) -> None:
    """A thread goes before all without such a priority, and those with a lower one; 0 takes it back. Raises
    PermissionError, and ProcessLookupError."""
    os.sched_setscheduler(task, os.SCHED_RR if priority else os.SCHED_OTHER, os.sched_param(priority))


class Machine:
    """A context in which a guest runs; its first boot has ended when the context is entered."""

    def __init__(
        self,
        image: Image,
        directory: Path,
        environment: Mapping[str, str],
        receivers: Mapping[str, Path],
        networks: int = 1,
    ) -> None:
        """``receivers``: the ptys behind chardevs: "uart" and "beside" are the second and third serial
        port's, others are for USB. ``networks``: so many interfaces, in each of which 10.0.N.2, from N = 2
        on, is the host."""
        self.console = directory / "console.log"
        self._errors = directory / "qemu.log"
        self._directory, self._environment = directory, environment
        self._command = ["qemu-system-x86_64", *_HARDWARE.split(),
            "-kernel", str(image.kernel), "-initrd", str(early(image, directory)), "-append", _CMDLINE,
            "-drive", f"if=none,id=root,file={image.disk},format=raw,snapshot=on,cache=unsafe",
            "-device", "virtio-blk-pci,drive=root",
            "-qmp", f"unix:{directory}/qmp,server=on,wait=off",
            "-chardev", f"file,id=console,path={self.console}", "-serial", "chardev:console",
            "-device", "virtio-serial-pci"]  # fmt: skip
        for number in range(networks):
            self._command += ["-netdev", f"user,id=net{number},net=10.0.{number + 2}.0/24",
                              "-device", f"virtio-net-pci,netdev=net{number},romfile="]  # fmt: skip
        for name in ("command", "clocks"):
            self._command += ["-chardev", f"socket,id={name},path={directory}/{name},server=on,wait=off",
                              "-device", f"virtserialport,chardev={name},name=refclock.{name}"]  # fmt: skip
        for name, pty in receivers.items():
            self._command += ["-chardev", f"serial,id={name},path={pty}"]
        if "uart" in receivers:
            self._command += ["-device", "isa-serial,chardev=uart,index=1"]
        if "beside" in receivers:  # with an interrupt of its own: the third port's usual one is the console's
            self._command += ["-device", "isa-serial,chardev=beside,index=2,irq=5"]
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: list[Line] = []
        self._number = 0

    def __enter__(self) -> Self:
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                env=dict(self._environment),
                # Where the kernel shares out by sessions (sched(7), autogroup), one of its own.
                start_new_session=True,
            )
        with suppress(OSError):  # what the guest's clocks show should be the guest's own doing
            os.setpriority(os.PRIO_PROCESS, self._process.pid, NICE)
            Path(f"/proc/{self._process.pid}/autogroup").write_text(str(NICE))
        try:
            self._qmp = self._line("qmp")
            self._qmp.receive(_START_S)
            self.qmp("qmp_capabilities")
            self._commands = self._line("command")
            self.clocks = self._line("clocks")
            self.await_boot()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process, self._process = self._process, None
        while self._lines:
            self._lines.pop().close()
        if process is not None:
            process.kill()
            process.wait()

    def _line(self, name: str) -> Line:
        """One of QEMU's sockets, closed with the machine."""
        self._lines.append(Line(self._directory / name))
        return self._lines[-1]

    def await_boot(self) -> None:
        """Until the agent says hello, and systemd starts nothing any more but what waits for the time."""
        end = time.monotonic() + _BOOT_S
        while "hello" not in self._commands.receive(max(1.0, end - time.monotonic())):
            pass
        # Not `is-system-running --wait`: the KDC's start may wait for hours.
        while time.monotonic() < end and self.run(_STARTING, check=False).output.strip():
            time.sleep(1)
        self._hurry(True)

    def _hurry(self, urgent: bool) -> None:
        """Whether the emulator's threads go before others: an edge that it sees late is late for the guest.
        First of all the one that looks after lines, before those that are the guest's processors. Not while
        it boots, which takes all that it is given."""
        assert self._process is not None
        first = self._process.pid
        with suppress(PermissionError):
            for task in (int(path.name) for path in Path(f"/proc/{first}/task").iterdir()):
                with suppress(ProcessLookupError):
                    hurry(task, 1 + (task == first) if urgent else 0)

    def qmp(self, command: str, **arguments: object) -> object:
        """One QMP command; its answer. Events are passed over. Raises GuestError for an error."""
        self._qmp.send({"execute": command, "arguments": arguments})
        while True:
            told = self._qmp.receive(_START_S)
            if "error" in told:
                raise GuestError(f"{command}: {told['error']}")
            if "return" in told:
                return told["return"]

    def plug(self, serial: str, pty: Path, port: str = "1") -> None:
        """An FTDI bridge (0403:6001) with that serial number, and a pty behind it, goes into a port."""
        self.qmp("chardev-add", id=serial, backend={"type": "serial", "data": {"device": str(pty)}})
        bridge = {"driver": "usb-serial", "id": serial, "bus": "usb.0", "port": port, "serial": serial}
        self.qmp("device_add", **bridge, chardev=serial)

    def unplug(self, serial: str) -> None:
        """Pull it out."""
        self.qmp("device_del", id=serial)
        end = time.monotonic() + _START_S
        while True:
            try:
                self.qmp("chardev-remove", id=serial)
                return
            except GuestError:  # in use until the device is gone
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    def run(self, command: str, *, check: bool = True, timeout_s: float = 120) -> Done:
        """Run shell text in the guest, as root. Raises GuestError when it fails, unless not to be checked."""
        done = self._ask({"run": command, "timeout": timeout_s}, timeout_s + 60)
        if check and done.status:
            raise GuestError(f"in the guest: {command}\nexit status {done.status}\n{done.output}")
        return done

    def put(self, path: str, data: str | bytes, mode: int = 0o644) -> None:
        """Write a file of the guest's."""
        raw = data.encode() if isinstance(data, str) else data
        done = self._ask({"put": path, "data": base64.b64encode(raw).decode(), "mode": mode}, 120)
        if done.status:
            raise GuestError(f"{path}: {done.output}")

    def unix(self, path: str) -> str:
        """What a Unix stream socket of the guest's says to one who connects; "" when nobody is there."""
        return self._ask({"unix": path}, 30).output

    def _ask(self, request: dict[str, object], timeout_s: float) -> Done:
        self._number += 1
        self._commands.send({"id": self._number, **request})
        end = time.monotonic() + timeout_s
        while True:
            told = self._commands.receive(max(0.001, end - time.monotonic()))
            if told.get("id") == self._number:
                return Done(told["status"], told["output"])

    def reboot(self, hard: bool = False) -> None:
        """Clean, by systemd, or as if by the reset button; returns once the guest is up again."""
        self._hurry(False)
        if hard:
            self.qmp("system_reset")
        else:
            self.run("systemctl --no-block reboot")
        self.await_boot()
