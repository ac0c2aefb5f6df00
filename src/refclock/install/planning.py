"""What belongs where on this host. Nothing is written here."""

from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from refclock.errors import ConfigError
from refclock.install.host import host
from refclock.policy import PROFILES, parse_policy

_UNITS = "etc/systemd/system"
_MAN = "usr/local/share/man"
_PROGRAM, _NAME = b"@REFCLOCK@", b"@NAME@"
# ProtectHome= and PrivateTmp= hide these from the daemon.
_HIDDEN = ("/home/", "/root/", "/run/user/", "/tmp/", "/var/tmp/")
_PROGRAM_MAY_HOLD = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._+-")
_NAME_MAY_HOLD = _PROGRAM_MAY_HOLD - {"/", "+", "-"} | {":"}


@dataclass(frozen=True, slots=True)
class Item:
    """A file: where it belongs below the root, what is in it, and what it is for."""

    path: str
    content: bytes
    what: str


@dataclass(frozen=True, slots=True)
class Site:
    """What the operator chose. ``name`` is the receiver's under /dev/refclock, and so its instance's."""

    root: Path
    program: str
    profile: str
    name: str


def plan(site: Site) -> list[Item]:
    """Every file, in the order in which to write them. Raises ConfigError for a choice that cannot work."""
    _check(site)
    here = host(site.root)
    own = files("refclock.install") / "files"
    program = site.program.encode()
    items = [
        Item(f"etc/{kind}/refclock.conf", (own / kind / "refclock.conf").read_bytes(), what)
        for kind, what in (("sysusers.d", "the user and group refclock"), ("tmpfiles.d", "its directories"))
    ]
    items += [
        Item(f"etc/udev/rules.d/{rule.name}", rule.read_bytes(), "names of receivers, access to them")
        for rule in _beside(own, "udev", "udev")
    ]
    items += [
        Item(f"{_MAN}/man{page.name[-1]}/{page.name}", page.read_bytes(), "the manual page")
        for page in _beside(own, "man", "docs/man")
    ]
    items += [
        Item(f"{_UNITS}/{unit.name}", unit.read_bytes().replace(_PROGRAM, program), _about(unit.name))
        for unit in sorted((own / "systemd").iterdir(), key=lambda unit: unit.name)
    ]
    for service in here.chrony:
        content = (own / "chrony" / "refclock.conf").read_bytes().replace(_NAME, site.name.encode())
        path = f"{_UNITS}/{service}.d/refclock-{site.name}.conf"
        items.append(Item(path, content, "chrony's socket, for refclock to write to"))
    if site.profile != "appserver":
        for service in here.kdc:
            content = (own / "krb5" / "refclock.conf").read_bytes()
            items.append(
                Item(f"{_UNITS}/{service}.d/refclock.conf", content, "the KDC waits for established time")
            )
    items.append(
        Item(
            f"etc/refclock/{site.name}.chrony.conf",
            _leap_source(site.root, (own / "chrony" / f"{site.profile}.conf").read_bytes()).replace(
                _NAME, site.name.encode()
            ),
            f"a whole chrony.conf for profile {site.profile}, to take the place of chrony's",
        )
    )
    text = configuration(site.profile, site.name)
    items.append(
        Item(f"etc/refclock/{site.name}.toml", text.encode(), f"the configuration, profile {site.profile}")
    )
    return items


def _leap_source(root: Path, text: bytes) -> bytes:
    """chronyd passes over a time zone that is missing, as right/UTC is in Debian 13's tzdata; its chrony
    (4.6) reads the list instead."""
    zones = root / "usr/share/zoneinfo"
    if (zones / "right/UTC").exists() or not (zones / "leap-seconds.list").exists():
        return text
    return text.replace(b"leapsectz right/UTC", b"leapseclist /usr/share/zoneinfo/leap-seconds.list")


def configuration(profile: str, name: str) -> str:
    """A commented configuration. The program itself has read it: ConfigError would be a bug."""
    raw = (files("refclock.install") / "files" / "refclock" / "refclock.toml").read_text("utf-8")
    text = raw.replace("@PROFILE@", profile).replace("@NAME@", name)
    if profile == "kdc-cesium":
        text = text.replace("#[cesium]", "[cesium]").replace('#device = "/dev/pps1"', 'device = "/dev/pps1"')
    parse_policy(text, "the configuration to install")
    return text


def _check(site: Site) -> None:
    if site.profile not in PROFILES:
        raise ConfigError(f"--profile {site.profile}: expected one of {', '.join(PROFILES)}.")
    if not site.name or set(site.name) - _NAME_MAY_HOLD:
        raise ConfigError(
            f"--name {site.name}: expected letters, digits and _ . : only, the receiver's name under "
            "/dev/refclock."
        )
    for program in site.program.split(" -m "):
        if not program.startswith("/") and program != "refclock":
            raise ConfigError(f"--program {program}: expected an absolute path.")
        if set(program) - _PROGRAM_MAY_HOLD:
            raise ConfigError(
                f"--program {program}: a unit cannot name it; put refclock under a plainer path."
            )
        hidden = next((one for one in _HIDDEN if program.startswith(one)), None)
        if hidden is not None:
            raise ConfigError(
                f"{program}: the daemon's sandbox hides {hidden.rstrip('/')}, and it should not "
                "run what a user owns. Put refclock elsewhere: python3 -m venv /opt/refclock and "
                "/opt/refclock/bin/pip install it, or PIPX_HOME=/opt/pipx PIPX_BIN_DIR=/usr/local/bin "
                "pipx install it; then run that one, or name it with --program."
            )


def _beside(own: Traversable, name: str, source: str) -> list[Traversable]:
    """Files that other people look for at the top of the sources: in the wheel they are among the others."""
    for place in (own / name, Path(__file__).resolve().parents[3] / source):
        if place.is_dir():
            return sorted((one for one in place.iterdir() if one.is_file()), key=lambda one: one.name)
    return []


def _about(unit: str) -> str:
    return {
        "refclock@.service": "the daemon, one instance for each receiver",
        "refclock-pps@.service": "the kernel's pulse from a line's DCD pin",
        "refclock-shm.service": "makes chrony's shared memory, as root and first",
        "refclock-wait.service": "waits until the time is established",
        "refclock-watch.service": "keeps watch whether services may rely on the time",
        "refclock-lost.target": "ends refclock-established.target",
        "refclock-established.target": "what services that need the time bind themselves to",
    }[unit]
