"""Everything that `refclock doctor` looks at, in the order in which it tells it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path

from refclock.chrony import commandline, program, unit, ways
from refclock.chrony.commandline import CommandLine
from refclock.chrony.effective import Effective, Wanted
from refclock.chrony.host import (
    ENABLED,
    GRANTED,
    JOBS,
    OTHER_SETTERS,
    RTC_WRITERS,
    SEGMENTS,
    UNIT,
    chronyds,
    host,
    owners,
)
from refclock.chrony.kernel import ELEVEN, KERNEL_RATE, KERNEL_STEERED, kernel
from refclock.chrony.leap import LEAP_FILE, leap_file
from refclock.chrony.live import (
    CHRONYD,
    COMMAND_SOCKET,
    HEARD,
    LIVE_SOURCES,
    TRACKING,
    command_socket,
    live,
)
from refclock.chrony.processes import Process, processes, sees_all
from refclock.chrony.reading import UnreadableError, read_command
from refclock.chrony.rule import Rule
from refclock.chrony.rules import steps
from refclock.chrony.rules.table import judge
from refclock.finding import Finding

_USER = "refclock"
_APPARMOR_PROFILE = "etc/apparmor.d/usr.sbin.chronyd"
_APPARMOR_ON = "sys/module/apparmor/parameters/enabled"
_APPARMOR_ALLOWS = "/run/chrony.*.sock"

CONFIGURATION = Rule(
    "configuration", "27 28",
    "chronyd reads it, and so does `refclock doctor`",
    "what cannot be read cannot be judged",
)  # fmt: skip
APPARMOR = Rule(
    "AppArmor", "24 27", f"the socket's path is `{_APPARMOR_ALLOWS}` where AppArmor guards chronyd",
    "chronyd may not make the socket, and ends",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Host:
    """Where to look: the root that /proc and files are below, the command that runs chronyc, and users
    besides root who may own a segment."""

    root: Path = Path("/")
    chronyc: tuple[str, ...] = field(default_factory=lambda: (program.find("chronyc") or "chronyc",))
    users: tuple[str, ...] = (_USER,)


def examine_file(conf: Effective, wanted: Wanted) -> Iterator[Finding]:
    """A configuration alone, of no host in particular."""
    yield from _configuration(conf)
    yield from judge(conf, wanted)


def examine_host(host_: Host, wanted: Wanted) -> Iterator[Finding]:
    """This host: configuration, what runs, what else sets clocks, and chronyd's live state. Raises
    ConfigError for a configuration that chronyd refuses."""
    root = host_.root
    running = processes(root)
    steering = chronyds(running)
    commands = command_lines(root, steering)
    conf: Effective | None = None
    try:
        conf = read_command(commands[0])
    except UnreadableError as error:
        yield CONFIGURATION.unknown(str(error), "run it as root, or name the file with --chrony-conf")
    if conf is not None:
        yield from _configuration(conf)
        yield from judge(conf, wanted)
        for other in commands[1:]:
            yield from steps.command(replace(conf, command=other), wanted)
        yield from leap_file(root, wanted, conf)
    for path in wanted.sockets:
        yield ways.socket_for(path, wanted, host_.users[0])
    yield from _apparmor(root, wanted)
    yield from host(root, wanted, conf, running, owners(host_.users))
    seen = sees_all(root)
    yield from kernel(wanted, conf, bool(steering) if seen else None)
    yield from command_socket(root, wanted, conf)
    yield from live(host_.chronyc, wanted, conf, steering, seen)


def command_lines(root: Path, steering: Sequence[Process]) -> list[CommandLine]:
    """The command line of the chronyd that runs, and that of its unit where it is another one; at least
    one, which is empty where neither is known."""
    found = [commandline.parse(one.argv, str(one)) for one in steering[:1]]
    declared = unit.chrony_unit(root)
    if declared is not None and declared.command:
        told = commandline.parse(declared.command, declared.name)
        if not found or told.text != found[0].text:
            found.append(told)
    return found or [CommandLine()]


def _configuration(conf: Effective) -> Iterator[Finding]:
    version = f", as chronyd {program.written(conf.version)} reads it" if conf.version else ""
    more = len(conf.files) - 1
    files = f" and {more} more file{'s' * (more > 1)}" if more > 0 else ""
    told = f"{conf.origin}{files}{version}: {len(conf.directives)} directives"
    for trouble in conf.trouble:
        yield CONFIGURATION.unknown(trouble, "install chrony here, or judge the file on its own host as root")
    if not conf.trouble:
        yield CONFIGURATION.ok(told)


def _apparmor(root: Path, wanted: Wanted) -> Iterator[Finding]:
    if not (wanted.sockets and (root / _APPARMOR_PROFILE).exists() and _is_on(root / _APPARMOR_ON)):
        return
    barred = [path for path in wanted.sockets if not fnmatchcase(path, _APPARMOR_ALLOWS)]
    for path in barred:
        yield APPARMOR.bad(
            wanted, f"{path}: chronyd's profile allows {_APPARMOR_ALLOWS}",
            'choose such a path for [sock], or add yours in /etc/apparmor.d/local/usr.sbin.chronyd',
        )  # fmt: skip
    if not barred:
        yield APPARMOR.ok(f"{', '.join(wanted.sockets)}: allowed")


def _is_on(switch: Path) -> bool:
    """A switch of a kernel module's, Y or N; one that is not there is off."""
    try:
        return switch.read_text("ascii", "replace").strip() == "Y"
    except OSError:
        return False


HOST_RULES: tuple[Rule, ...] = (
    CONFIGURATION, LEAP_FILE, ways.SOCKET, APPARMOR, OTHER_SETTERS, GRANTED, ENABLED, JOBS, RTC_WRITERS,
    SEGMENTS, UNIT, KERNEL_RATE, KERNEL_STEERED, ELEVEN, COMMAND_SOCKET, CHRONYD, TRACKING, HEARD,
    LIVE_SOURCES,
)  # fmt: skip
