"""Asking a KDC's own database, through kadmin.local, which keys there are. Nothing is changed by it."""

import re
import shlex
import subprocess

from refclock.chrony.program import find
from refclock.errors import PortError
from refclock.setback.keys import DATABASE, Keys, kadmin_line, speakable

_PATIENCE_S = 60
# The keys that tickets for Kerberos' own services are made with. K/M only encrypts the database, and
# kadmin/history what was a password once; no ticket is made with either.
_TICKET_KEYS = ("krbtgt/", "kadmin/", "kiprop/")
_NO_TICKET_KEYS = ("kadmin/history@",)
# get_principal -terse: 15 fields up to the number of keys, which is the last; then four for each key
# (kadmin/cli/kadmin.c of krb5).
_HEAD, _EACH = 16, 4
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\t]+)')


def realm_keys(realm: str) -> list[Keys]:
    """The keys of the realm's own services. Raises PortError."""
    listed = _ask(realm, "listprincs").splitlines()
    names = [
        name
        for name in listed
        if name.startswith(_TICKET_KEYS) and not name.startswith(_NO_TICKET_KEYS) and speakable(name)
    ]
    return [keys for name in names if (keys := in_database(realm, name)) is not None]


def in_database(realm: str, principal: str) -> Keys | None:
    """A principal's keys in the database, None where it has none. Raises PortError."""
    if not speakable(principal):
        return None
    for line in _ask(realm, kadmin_line("getprinc", "-terse", principal)).splitlines():
        fields = [quoted or bare for quoted, bare in _WORD.findall(line)]
        if line.startswith('"') and len(fields) >= _HEAD and fields[_HEAD - 1].isdigit():
            keys = fields[_HEAD:]
            kvnos = frozenset(int(one) for one in keys[1::_EACH] if one.isdigit())
            return Keys(principal, DATABASE, kvnos) if kvnos else None
    return None


def _ask(realm: str, query: str) -> str:
    program = find("kadmin.local")
    if program is None:
        raise PortError(
            "kadmin.local is not installed (Debian has it in krb5-admin-server), and this host is taken "
            "for a KDC with the realm's database; see --role."
        )
    command = [program, *(["-r", realm] if realm else []), "-q", query]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=_PATIENCE_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PortError(f"{shlex.join(command)}: {error}.") from None
    told = done.stderr.decode("utf-8", "replace").strip()
    if done.returncode:
        raise PortError(f"{shlex.join(command)}: {told or f'exit status {done.returncode}'}.")
    return done.stdout.decode("utf-8", "replace")
