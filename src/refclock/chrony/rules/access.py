"""Who may command chronyd from elsewhere, and as whom it runs."""

import ipaddress
from collections.abc import Iterator

from refclock.chrony.effective import Effective, Wanted
from refclock.chrony.rule import Rule
from refclock.chrony.rules.wording import removal, shown
from refclock.finding import Finding
from refclock.wire.chronyconf import Directive

COMMANDS = Rule(
    "chronyc by network", "6 26",
    "`cmdallow` and `bindcmdaddress` name this host only",
    "others read its state over UDP port 323; only the Unix socket, root's, takes commands",
    lenient=True,
)  # fmt: skip
USER = Rule(
    "chronyd's user", "6 26",
    "not root",
    "whoever breaks into chronyd owns the host",
    advice=True,
)  # fmt: skip


def commands(conf: Effective, wanted: Wanted) -> Iterator[Finding]:
    """``cmdallow``, ``bindcmdaddress``; ``cmdport 0`` closes the port."""
    port = conf.last("cmdport")
    if port is not None and port.words == ("0",):
        yield COMMANDS.ok(shown(port))
        return
    found = [one for one in conf.all("cmdallow", "bindcmdaddress") if not _is_local(one)]
    if not found:
        yield COMMANDS.ok("this host only")
    for one in found:
        yield COMMANDS.bad(wanted, f"{shown(one)}: answers other hosts", removal(one))


def _is_local(one: Directive) -> bool:
    words = [word for word in one.words if word.lower() != "all"]
    if not words:
        return False
    if words[0].startswith("/"):
        return True
    try:
        return ipaddress.ip_network(words[0], strict=False).is_loopback
    except ValueError:
        return words[0].lower() == "localhost"


def user(conf: Effective, wanted: Wanted) -> Iterator[Finding]:
    """``user``, and ``-u``, which counts more."""
    named = conf.last("user")
    name = conf.command.value("u") or (named.words[0] if named and named.words else "")
    if name in ("root", "0"):
        mend = removal(named) if named and conf.command.value("u") is None else "leave -u out"
        yield USER.bad(wanted, f"{name}: chronyd keeps every privilege", mend)
    else:
        yield USER.ok(name or "the one it was built with")
