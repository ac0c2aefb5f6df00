"""What kind of host a root is: Debian and Red Hat name the same services and files differently."""

from dataclasses import dataclass
from pathlib import Path

# Where distributions keep their own units.
_VENDOR_UNITS = ("etc/systemd/system", "lib/systemd/system", "usr/lib/systemd/system")
# Of each pair, Debian's name first, then that of Fedora and its kin.
_CHRONY, _KDC = ("chrony.service", "chronyd.service"), ("krb5-kdc.service", "krb5kdc.service")
_CHRONY_CONF = ("etc/chrony/chrony.conf", "etc/chrony.conf")
# os-release(5); RHEL's rebuilds name one of these in ID_LIKE.
_OS_RELEASE = ("etc/os-release", "usr/lib/os-release")
_RED_HAT = {"fedora", "rhel", "centos"}
_MOST = 1 << 16


@dataclass(frozen=True, slots=True)
class Host:
    """``chrony`` and ``kdc`` are the units to extend, ``chrony_conf`` is chrony's configuration, and
    ``selinux`` says whether a policy of SELinux is in force."""

    chrony: tuple[str, ...]
    kdc: tuple[str, ...]
    chrony_conf: str
    selinux: bool


def host(root: Path) -> Host:
    """By what is there below a root; by its os-release where that is not there yet; Debian without either."""
    kin = _kin(root)
    conf = [path for path in _CHRONY_CONF if (root / path).is_file()] or [_CHRONY_CONF[kin]]
    return Host(_present(root, _CHRONY, kin), _present(root, _KDC, kin), f"/{conf[0]}", _selinux(root))


def _present(root: Path, names: tuple[str, ...], kin: int) -> tuple[str, ...]:
    """Those of a service's names that are units here (an alias is none); else the one that the kin uses."""
    found = tuple(
        name
        for name in names
        if any(
            (root / place / name).is_file() and not (root / place / name).is_symlink()
            for place in _VENDOR_UNITS
        )
    )
    return found or (names[kin],)


def _kin(root: Path) -> int:
    """0 for Debian's, 1 for Red Hat's."""
    told = next((text for path in _OS_RELEASE if (text := _read(root / path))), "")
    values = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)
    words = f"{values.get('ID', '')} {values.get('ID_LIKE', '')}".replace('"', "").replace("'", "").split()
    return int(not _RED_HAT.isdisjoint(words))


def _selinux(root: Path) -> bool:
    """As /etc/selinux/config has it; a host without that file has no policy."""
    lines = (line.replace(" ", "") for line in _read(root / "etc/selinux/config").splitlines())
    return any(line in ("SELINUX=enforcing", "SELINUX=permissive") for line in lines)


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(_MOST)
    except OSError:
        return ""
