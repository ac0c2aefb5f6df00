"""``--fix-print``: a whole chrony.conf for this host, from what it has already and what its profile needs."""

from pathlib import Path

from refclock.chrony import program
from refclock.chrony.effective import SOURCES, Effective, Wanted, way_of
from refclock.chrony.examining import command_lines
from refclock.chrony.host import chronyds
from refclock.chrony.leap import has_list
from refclock.chrony.processes import processes
from refclock.chrony.reading import UnreadableError, read_command, read_file
from refclock.chrony.rules.table import JUDGED
from refclock.chrony.shipped import DEFAULT_SOCKET, Present, complete
from refclock.wire.chronyconf import Directive

_LIST_SINCE = (4, 6)
# Judged, and kept where somebody wrote down why it is there.
_EXPLAINABLE = ("allow", "local", "manual", "smoothtime")


def whole_configuration(wanted: Wanted, path: str | None, root: Path = Path("/")) -> str:
    """The text. ``path`` is the present configuration; without it the host's, and where that is not there,
    none. Raises ConfigError for one that chronyd refuses."""
    conf = _present(path, root)
    chronyd = program.find("chronyd")
    version = conf.version if conf else (program.version(chronyd) if chronyd else None)
    listed = has_list(root) and version is not None and version >= _LIST_SINCE
    return complete(
        wanted.profile,
        Present(
            version,
            wanted.ways or _ours(wanted, conf),
            tuple(_fit(one) for one in conf.all(*SOURCES)) if conf else (),
            tuple(one for one in conf.directives if _is_kept(one)) if conf else (),
            listed,
        ),
    )


def _present(path: str | None, root: Path) -> Effective | None:
    if path is not None:
        return read_file(path)
    try:
        return read_command(command_lines(root, chronyds(processes(root)))[0])
    except UnreadableError:
        return None


def _ours(wanted: Wanted, conf: Effective | None) -> tuple[str | int, ...]:
    """Where no configuration of refclock's says it: the ways that chrony.conf has already."""
    lines = [one for one in conf.all("refclock") if wanted.ours(one)] if conf else []
    return tuple(way for one in lines if (way := way_of(one)) is not None) or (DEFAULT_SOCKET,)


def _fit(source: Directive) -> Directive:
    """Without ``trust`` and the like, which on some sources only lock the selection up."""
    words = tuple(word for word in source.words if word.lower() not in ("trust", "require", "prefer"))
    return Directive(source.name, words, source.file, source.line, source.reason)


def _is_kept(one: Directive) -> bool:
    if one.name in _EXPLAINABLE:
        return bool(one.reason)
    if one.name == "bindcmdaddress":
        return bool(one.words) and one.words[0].startswith("/")
    if one.name == "user":
        return one.words[:1] not in (("root",), ("0",))
    return one.name not in JUDGED
