"""The guest's disk: Debian with systemd, udev, chrony, krb5kdc, gpsd, and an environment for refclock.

Built once by mmdebstrap from the mirror that this machine's apt uses, and kept outside the repository under
a name that is a digest of all that it was built from. refclock is not in it: each run installs the wheel.
"""

import hashlib
import lzma
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import tomllib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PROGRAMS = ("qemu-system-x86_64", "mmdebstrap", "mke2fs", "cpio", "busybox", "gcc", "apt-get", "dpkg-deb")
HOME = "/opt/refclock"

_PACKAGES = (
    "systemd", "systemd-sysv", "udev", "dbus", "kmod", "procps", "iproute2", "tzdata", "chrony", "gpsd",
    "krb5-kdc", "krb5-admin-server", "krb5-user", "python3", "python3-venv",
    "util-linux-extra",
)  # fmt: skip
_KERNEL = "linux-image-amd64"
# What mounting the root needs; the rest udev loads.
_EARLY = ("virtio_pci", "virtio_blk", "ext4", "crc32c_generic", "virtio_console", "virtio_rng")
_UNUSED = (
    "gpu net/wireless media infiniband staging scsi nvme iio hwmon isdn mtd md net/ethernet/mellanox "
    "net/ethernet/broadcom net/ethernet/chelsio"
)
# They cost seconds of an emulated processor and have no part in this.
_MASKED = (
    "apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service "
    "fstrim.timer systemd-update-utmp.service getty@tty1.service serial-getty@ttyS0.service "
    "modprobe@drm.service modprobe@efi_pstore.service modprobe@dm_mod.service modprobe@loop.service "
    "dev-hugepages.mount sys-kernel-debug.mount sys-kernel-tracing.mount "
    "proc-sys-fs-binfmt_misc.automount systemd-binfmt.service systemd-pstore.service "
    "systemd-ask-password-wall.path systemd-ask-password-console.path"
)
# gpsd is a peer for one scenario; until then it touches no receiver. The KDC waits for its realm.
_DISABLED = "gpsd.service gpsd.socket krb5-kdc.service krb5-admin-server.service"
_IGNORED_MODULES = (
    "ahci iTCO_wdt lpc_ich psmouse pcspkr i2c_i801 serio_raw evdev qemu_fw_cfg button sr_mod cdrom efi_pstore"
)
_SIZE = "1800M"

_INIT = """#!/bin/busybox sh
bb=/bin/busybox
$bb mount -t proc proc /proc; $bb mount -t sysfs sysfs /sys; $bb mount -t devtmpfs dev /dev
for module in /modules/*.ko; do $bb insmod $module; done
tries=0
while [ ! -e /dev/vda ] && [ $tries -lt 400 ]; do $bb usleep 25000; tries=$((tries + 1)); done
$bb mount -t ext4 -o rw,noatime /dev/vda /root
$bb mkdir -p /root/opt/agent
$bb cp /agent/agent.py /root/opt/agent/
$bb cp /agent/agent.service /root/etc/systemd/system/
$bb ln -sf ../agent.service /root/etc/systemd/system/multi-user.target.wants/agent.service
$bb mount -o move /dev /root/dev; $bb umount /proc; $bb umount /sys
exec $bb switch_root /root /lib/systemd/systemd
"""


@dataclass(frozen=True, slots=True)
class Image:
    """Where the built parts are."""

    directory: Path

    @property
    def disk(self) -> Path:
        return self.directory / "root.ext4"

    @property
    def kernel(self) -> Path:
        return self.directory / "vmlinux"

    @property
    def initrd(self) -> Path:
        return self.directory / "initrd.cpio"


def cache() -> Path:
    """Where images are kept."""
    named = os.environ.get("REFCLOCK_VM_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "refclock-vm"


def image() -> Image:
    """The image, built if there is none. Raises CalledProcessError with the builder's words."""
    kernel = _newest_kernel()
    place = cache() / _digest(kernel)
    if not (place / "done").exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="building-", dir=place.parent) as work:
            _build(Path(work), kernel)
            built = Path(work) / "out"
            (built / "done").touch()
            shutil.rmtree(place, ignore_errors=True)
            built.rename(place)
    return Image(place)


def wheel(directory: Path) -> Path:
    """refclock's own wheel, built from this checkout."""
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(directory), str(ROOT)]
    _run(command)
    return next(directory.glob("refclock-*.whl"))


def early(built: Image, directory: Path) -> Path:
    """The initrd of a run: the image's, and the agent in an archive behind it (the kernel unpacks both)."""
    place = directory / "early/agent"
    place.mkdir(parents=True)
    for name in ("agent.py", "agent.service"):
        shutil.copy(HERE / name, place / name)
    archive = directory / "agent.cpio"
    _archive(place.parent, archive)
    path = directory / "initrd.cpio"
    path.write_bytes(built.initrd.read_bytes() + archive.read_bytes())
    return path


def _digest(kernel: str) -> str:
    told = hashlib.sha256()
    for part in (Path(__file__).read_text(), kernel, _suite(), *_dependencies()):
        told.update(hashlib.sha256(part.encode()).digest())
    return told.hexdigest()[:16]


def _dependencies() -> list[str]:
    found: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    return found


def _suite() -> str:
    words = dict(
        line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line
    )
    return words["VERSION_CODENAME"].strip('"')


def _mirror() -> str:
    """The first one in which apt looks for Debian itself."""
    places = Path("/etc/apt")
    text = "\n".join(
        path.read_text()
        for path in [places / "sources.list", *sorted((places / "sources.list.d").glob("debian.*"))]
        if path.is_file()
    )
    return str(re.findall(r"^(?:URIs:|deb)\s+(?:\[.*?\]\s*)?(\S+)", text, re.MULTILINE)[0])


def _newest_kernel() -> str:
    told = _run(["apt-cache", "depends", _KERNEL])
    return str(re.findall(r"Depends: (linux-image-\S+)", told)[0])


def _run(command: Sequence[str | Path], cwd: Path | None = None) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(
        words, cwd=cwd, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, words, done.stdout, done.stderr[-4000:])
    return done.stdout


def _build(work: Path, kernel: str) -> None:
    root, out = work / "root", work / "out"
    out.mkdir()
    excluded = [f"--dpkgopt=path-exclude=/usr/share/{what}/*" for what in ("man", "doc", "locale", "info")]
    # In a mount namespace of its own: should it be killed, what it mounted goes with it, and nobody removes a
    # directory with this machine's /proc or /dev in it.
    _run(["unshare", "--mount", "mmdebstrap", "--quiet", "--mode=root", "--variant=minbase",
          f"--include={','.join(_PACKAGES)}",
          '--aptopt=Apt::Install-Recommends "false"', *excluded, _suite(), root, _mirror()])  # fmt: skip
    # Unpacked, not installed: an initramfs of Debian's own takes a minute and is not needed.
    _run(["apt-get", "-q", "download", kernel], cwd=work)
    _run(["dpkg-deb", "-x", next(work.glob("linux-image-*.deb")), work / "kernel"])
    version = next((work / "kernel/lib/modules").iterdir()).name
    modules = root / "usr/lib/modules" / version
    modules.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(work / "kernel/lib/modules" / version, modules)
    for name in _UNUSED.split():
        shutil.rmtree(modules / "kernel/drivers" / name, ignore_errors=True)
    for name in ("sound", "fs/btrfs", "fs/xfs", "fs/ocfs2"):
        shutil.rmtree(modules / "kernel" / name, ignore_errors=True)
    _run(["chroot", root, "depmod", version])
    (out / "vmlinux").write_bytes(unpacked((work / "kernel/boot" / f"vmlinuz-{version}").read_bytes()))
    _initrd(modules, work / "early", out / "initrd.cpio")
    _furnish(root)
    _run(["mke2fs", "-q", "-t", "ext4", "-d", root, out / "root.ext4", _SIZE])


def _furnish(root: Path) -> None:
    """What a guest needs beyond its packages: quiet, and an environment with all that refclock depends on."""
    _run(["chroot", root, "systemctl", "-q", "mask", *_MASKED.split()])
    _run(["chroot", root, "systemctl", "-q", "disable", *_DISABLED.split()])
    ignored = "".join(f"blacklist {name}\n" for name in _IGNORED_MODULES.split())
    (root / "etc/modprobe.d/refclock-vm.conf").write_text(ignored)
    (root / "etc/hostname").write_text("kdc1\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost kdc1\n")
    (root / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    (root / "etc/fstab").write_text("")
    (root / "var/log/journal").mkdir(exist_ok=True)
    _run(["chroot", root, "python3", "-m", "venv", HOME])
    version = _run(
        ["chroot", root, "python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    ).strip()
    wheels = root / "opt/wheels"
    for name in _dependencies():
        command = [sys.executable, "-m", "pip"]
        if name.startswith("sysv_ipc"):  # the only one with machine code: of the guest's Python, not of ours
            platforms = [f"--platform=manylinux_2_{minor}_x86_64" for minor in (5, 12, 17, 28)]
            platforms += ["--platform=manylinux2014_x86_64", "--platform=manylinux1_x86_64"]
            _run([*command, "download", "-q", "--no-deps", "--only-binary=:all:",
                  f"--python-version={version}", *platforms, "-d", wheels, name])  # fmt: skip
        else:
            _run([*command, "wheel", "-q", "--no-deps", "-w", wheels, name])
    names = [f"/opt/wheels/{one.name}" for one in sorted(wheels.iterdir())]
    _run(["chroot", root, f"{HOME}/bin/pip", "install", "-q", "--no-index", *names])


def _initrd(modules: Path, place: Path, out: Path) -> None:
    """busybox, and the modules that mounting the root needs, in the order in which they load."""
    needs: dict[str, tuple[str, list[str]]] = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        path, _, rest = line.partition(":")
        needs[_module(path)] = (path, rest.split())
    built_in = {_module(line) for line in (modules / "modules.builtin").read_text().splitlines()}
    order: list[str] = []

    def add(name: str) -> None:
        path, others = needs[name]
        for other in reversed(others):
            add(_module(other))
        if path not in order:
            order.append(path)

    for name in _EARLY:
        if name not in built_in:
            add(name)
    for directory in ("bin", "dev", "proc", "sys", "root", "modules"):
        (place / directory).mkdir(parents=True)
    busybox = shutil.which("busybox")
    assert busybox is not None
    shutil.copy(busybox, place / "bin/busybox")
    for number, path in enumerate(order):
        shutil.copy(modules / path, place / "modules" / f"{number:02}-{Path(path).name}")
    (place / "init").write_text(_INIT)
    (place / "init").chmod(0o755)
    _archive(place, out)


def _archive(directory: Path, out: Path) -> None:
    _run(["sh", "-c", f"find . | cpio -o -H newc --quiet >'{out}'"], cwd=directory)


def _module(path: str) -> str:
    return Path(path.strip()).name.partition(".ko")[0].replace("-", "_")


def unpacked(image: bytes) -> bytes:
    """The ELF file within a bzImage (Linux, Documentation/arch/x86/boot.rst: setup_sects at 0x1f1,
    payload_offset and payload_length at 0x248), so that the emulator boots it without unpacking it itself."""
    setup_sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    payload = image[(setup_sectors + 1) * 512 + offset :][:length]
    if payload.startswith(b"\xfd7zXZ\0"):
        return lzma.LZMADecompressor().decompress(payload)
    if payload.startswith(b"\x1f\x8b"):
        return zlib.decompressobj(31).decompress(payload)
    if payload.startswith(b"\x28\xb5\x2f\xfd"):
        return subprocess.run(["zstd", "-dc"], input=payload, capture_output=True, check=False).stdout
    raise ValueError(f"the kernel is packed in a way that is not known here: {payload[:6]!r}")
