"""The keys that must change when a clock goes back: which there are, how each is changed, whether it was.

Whoever has an old ticket, or heard an old authenticator, can use it again on a clock that was set back, until
the key that it was made with is gone: from the KDC's database, and from the keytab (docs/requirements.md,
35 and 36).
"""

import hashlib
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from refclock.errors import PortError
from refclock.wire.keytab import DamagedKeytabError, KeytabEntry, decode

DEFAULT_KEYTAB = "/etc/krb5.keytab"
DATABASE = "the KDC's database"
_LARGEST = 1 << 22
# Enough to tell that a key stayed; too little to tell anything about it.
_PRINT_SIZE = 2
# A name with one of these cannot be written into a command so that kadmin surely reads the same.
_UNSPEAKABLE = ("\ufffd", '"')


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one principal in one place: a keytab's path, or DATABASE. ``kvnos`` are their versions,
    ``prints`` two salted bytes of each (keytabs only)."""

    principal: str
    place: str
    kvnos: frozenset[int]
    prints: frozenset[str] = frozenset()

    @property
    def key(self) -> tuple[str, str]:
        """What it is the keys of."""
        return self.place, self.principal

    @property
    def newest(self) -> int:
        """The newest version."""
        return max(self.kvnos)

    def fields(self) -> dict[str, object]:
        """For the record."""
        return {
            "principal": self.principal, "place": self.place,
            "kvnos": sorted(self.kvnos), "prints": sorted(self.prints),
        }  # fmt: skip


def keys_of(fields: Mapping[str, object]) -> Keys:
    """One that was recorded. Raises ValueError, TypeError or KeyError for what is none."""
    kvnos, prints = fields["kvnos"], fields["prints"]
    if not isinstance(kvnos, list) or not isinstance(prints, list) or not kvnos:
        raise TypeError("kvnos and prints: expected lists, the first with a number")
    numbers = frozenset(int(one) for one in kvnos)
    return Keys(str(fields["principal"]), str(fields["place"]), numbers, frozenset(map(str, prints)))


def read_keytab(path: str) -> list[KeytabEntry]:
    """A keytab's keys. Raises PortError for one that cannot be read or is none."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise PortError(
            f"{path}: the keytab cannot be read: {error.strerror}; name this host's with --keytab."
        ) from None
    if len(data) > _LARGEST:
        raise PortError(f"{path}: larger than {_LARGEST} bytes: no keytab.")
    try:
        return decode(data)
    except DamagedKeytabError as error:
        raise PortError(f"{path}: {error}; look at it with klist -k, or restore it.") from None


def in_keytab(path: str, salt: bytes) -> list[Keys]:
    """What a keytab holds, by principal, in its order. Raises PortError."""
    found: dict[str, list[KeytabEntry]] = {}
    for entry in read_keytab(path):
        found.setdefault(entry.principal, []).append(entry)
    return [
        Keys(
            principal, path, frozenset(one.kvno for one in entries),
            frozenset(_print(salt, one.key) for one in entries),
        )
        for principal, entries in found.items()
    ]  # fmt: skip


def _print(salt: bytes, key: bytes) -> str:
    return hashlib.blake2b(key, salt=salt, digest_size=_PRINT_SIZE).hexdigest()


def unchanged(before: Keys, after: Keys | None) -> str:
    """Why the keys of a principal do not count as changed; nothing where they do, or are gone."""
    if after is None:
        return ""
    if after.newest <= before.newest:
        return f"version {after.newest}, not changed yet"
    old = sorted(one for one in after.kvnos if one <= before.newest)
    if old:
        return f"version {after.newest}, and still the old {', '.join(map(str, old))}"
    if before.prints & after.prints:
        return f"version {after.newest}, with the same key as before"
    return ""


def speakable(principal: str) -> bool:
    """Whether a principal can be written into a command line as it is."""
    fit = principal.isprintable() and not any(one in principal for one in _UNSPEAKABLE)
    return fit and not principal.startswith("-")


def kadmin_line(*words: str) -> str:
    """Words as kadmin reads them: one with a space in it stands in quotes. None has a quote or a tab."""
    return " ".join(f'"{one}"' if " " in one else one for one in words)


class Commands:
    """Command lines that change keys, as a shell reads them. On a KDC that has the database they are
    kadmin.local's; elsewhere kadmin's, which asks for a password, as ``admin`` where that is given."""

    def __init__(self, role: str, realm: str, admin: str = "") -> None:
        self._local = role == "kdc"
        program = ["kadmin.local"] if self._local else ["kadmin"]
        named = ["-p", admin] if admin and not self._local else []
        self._program = [*program, *(["-r", realm] if realm else []), *named]
        self._realm = realm

    def query(self, *words: str) -> str:
        """One of kadmin's queries."""
        return shlex.join([*self._program, "-q", kadmin_line(*words)])

    def renew(self, keys: Keys, first: bool) -> list[str]:
        """What changes the keys of a principal in its place. In a second keytab (not ``first``) the new keys
        are only added: another change would make the first one's useless."""
        if not speakable(keys.principal):
            return [f"# {keys.principal!a}: no command can be written for this name; change it by hand"]
        if keys.place == DATABASE:
            return [self._in_database(keys.principal)]
        add = ["ktadd", "-k", keys.place] if first else ["ktadd", "-norandkey", "-k", keys.place]
        return [
            self.query(*add, keys.principal),
            self.query("ktremove", "-k", keys.place, keys.principal, "old"),
        ]

    def _in_database(self, principal: str) -> str:
        if is_cross_realm(principal):
            # Random would be of no use: both realms must have the same.
            return f"{self.query('cpw', principal)}   # the same password in both realms"
        return self.query("cpw", "-randkey", principal)


def is_cross_realm(principal: str) -> bool:
    """Whether it is the key that two realms share: krbtgt/ONE@OTHER."""
    name, _, realm = principal.rpartition("@")
    return name.startswith("krbtgt/") and name != f"krbtgt/{realm}"


def without_old(path: str, entries: Sequence[KeytabEntry], before: Mapping[str, int]) -> str:
    """The ktutil that takes the old keys out of a keytab, where kadmin cannot: ``before`` has the newest old
    version of each principal. Empty where there is none to take out, or the path needs quotes that ktutil
    lacks. The last slots go first, as the others move up."""
    slots = [number for number, one in enumerate(entries, 1) if one.kvno <= before.get(one.principal, -1)]
    if not slots or shlex.quote(path) != path:
        return ""
    lines = [f"rkt {path}", *(f"delent {slot}" for slot in reversed(slots)), f"wkt {path}.new", "quit"]
    script = "\\n".join(lines)
    moved = f"chown --reference={path} {path}.new && mv {path}.new {path}"
    return f"printf '{script}\\n' | ktutil && {moved}"
