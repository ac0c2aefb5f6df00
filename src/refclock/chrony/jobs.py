"""Scheduled jobs, start-up scripts and units that set a clock or write the RTC, found by what they would
run."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from refclock.chrony.unit import UNIT_DIRECTORIES, enabled

_CRON = (
    "etc/crontab", "etc/cron.d/*", "etc/cron.hourly/*", "etc/cron.daily/*", "etc/cron.weekly/*",
    "etc/cron.monthly/*", "var/spool/cron/*", "var/spool/cron/crontabs/*",
)  # fmt: skip
_AT_START = (
    "etc/rc.local", "etc/rc.d/rc.local", "etc/network/if-up.d/*", "etc/NetworkManager/dispatcher.d/*",
    "etc/dhcp/dhclient-exit-hooks.d/*", "etc/ppp/ip-up.d/*",
)  # fmt: skip
_MAX_SIZE = 1 << 18

SETS, WRITES_RTC, RESTORES = "sets the clock", "writes the RTC", "sets the clock forward at boot"
_WHAT = (
    (re.compile(r"\bfake-hwclock\b"), RESTORES),
    (re.compile(r"\b(ntpdate(-debian)?|rdate|htpdate|ntpdig|msntp)\b"), SETS),
    (re.compile(r"\bsntp\b.*\s-\w*[sSa]"), SETS),
    (re.compile(r"\bntpd\b.*\s-\w*[gq]"), SETS),
    (re.compile(r"\bchronyd\b.*\s-\w*[qs]\b"), SETS),
    (re.compile(r"\bchronyc\b.*\b(makestep|settime)\b"), SETS),
    (re.compile(r"\bdate\s+(.*\s)?(-s\b|--set\b)"), SETS),
    (re.compile(r"\btimedatectl\s+set-time\b"), SETS),
    (re.compile(r"\bhwclock\b.*(\s-\w*s\b|--hctosys\b)"), SETS),
    (re.compile(r"\bhwclock\b.*(\s-\w*w\b|--systohc\b|--set\b)"), WRITES_RTC),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Job:
    """A line that would be run: where it stands, the line, and what it does (SETS, WRITES_RTC, RESTORES)."""

    place: str
    line: str
    does: str


def jobs(root: Path) -> tuple[list[Job], list[str]]:
    """What was found, and what could not be read."""
    found: list[Job] = []
    closed: list[str] = []
    for path in [*_files(root, (*_CRON, *_AT_START), closed), *_started_units(root)]:
        shown = "/" + str(path.relative_to(root))
        try:
            text = path.read_text("utf-8", "replace")[:_MAX_SIZE]
        except OSError:
            closed.append(shown)
            continue
        found += _judge(shown, text)
    return found, closed


def _judge(shown: str, text: str) -> Iterator[Job]:
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if bare.startswith(("#", ";")):
            continue
        for pattern, does in _WHAT:
            if pattern.search(bare):
                yield Job(f"{shown}:{number}", bare, does)
                break


def _files(root: Path, patterns: tuple[str, ...], closed: list[str]) -> list[Path]:
    found = []
    for pattern in patterns:
        try:
            found += sorted(path for path in root.glob(pattern) if path.is_file())
        except OSError:
            closed.append(f"/{pattern}")
    # A directory that may not be listed yields nothing, and says nothing.
    for directory in ("var/spool/cron/crontabs", "var/spool/cron"):
        place = root / directory
        try:
            if place.is_dir():
                next(place.iterdir(), None)
        except PermissionError:
            closed.append(f"/{directory}")
            break
    return found


def _started_units(root: Path) -> list[Path]:
    """The services that start by themselves, or by a timer that does."""
    started = enabled(root)
    found: dict[str, Path] = {}
    for directory in UNIT_DIRECTORIES:
        for path in sorted((root / directory).glob("*.service")):
            if path.name in started or path.with_suffix(".timer").name in started:
                found.setdefault(path.name, path)
    return [path for path in found.values() if path.is_file()]
