"""What krb5.conf(5) says of realms: the default one, and the KDCs that it lists for one.

Read as MIT's library reads it, as far as these two need: the files that KRB5_CONFIG names, or
/etc/krb5.conf; ``include`` and ``includedir``; the first value of a key that is found wins, lists grow.
"""

import os
from collections.abc import Iterator, Mapping

from refclock.errors import ConfigError

DEFAULT_FILE = "/etc/krb5.conf"
_DEEPEST = 8  # of includes
_LARGEST = 1 << 20

# section, realm (or "" outside of braces), key, value
Line = tuple[str, str, str, str]


class Krb5Conf:
    """The two things that are asked of the files. Raises ConfigError for one that is there and cannot be
    read; one that is not there says nothing."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.files = (
            environ.get("KRB5_CONFIG", "").split(":") if environ.get("KRB5_CONFIG") else [DEFAULT_FILE]
        )
        self._lines = [line for path in self.files for line in _read(path, 0)]

    @property
    def default_realm(self) -> str | None:
        """``default_realm`` of [libdefaults]."""
        for section, braces, key, value in self._lines:
            if (section, braces, key) == ("libdefaults", "", "default_realm"):
                return value
        return None

    def kdcs(self, realm: str) -> list[str]:
        """Each ``kdc`` of a realm as it is written: host, host:port, udp/host, tcp/host, https://..."""
        return [
            value
            for section, braces, key, value in self._lines
            if (section, braces) == ("realms", realm) and key in ("kdc", "master_kdc", "primary_kdc")
        ]


def _read(path: str, depth: int) -> Iterator[Line]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read(_LARGEST)
    except FileNotFoundError:
        return
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}; see KRB5_CONFIG.") from None
    section, braces = "", [""]
    for line in map(str.strip, text.splitlines()):
        word, _, rest = line.partition(" ")
        key, equals, value = (part.strip() for part in line.partition("="))
        if not line or line[0] in "#;":
            continue
        if word in ("include", "includedir") and depth < _DEEPEST:
            for one in _included(word, rest.strip()):
                yield from _read(one, depth + 1)
        elif line.startswith("["):
            section, braces = line[1:].partition("]")[0], [""]
        elif equals and value.startswith("{"):
            # Below the first level nothing is asked for.
            braces.append(key.removesuffix("*") if len(braces) == 1 else "\0")
        elif line.startswith("}"):
            braces = braces[:-1] or [""]
        elif equals:
            yield section, braces[-1], key.removesuffix("*"), value.strip('"')


def _included(word: str, path: str) -> list[str]:
    """The files of an include or, of a directory, those that krb5.conf(5) lets count."""
    if word == "include":
        return [path]
    try:
        names = sorted(os.listdir(path))
    except OSError:
        return []
    return [
        os.path.join(path, name)
        for name in names
        if name.replace("-", "").replace("_", "").isalnum() or (name.endswith(".conf") and name[0] != ".")
    ]
