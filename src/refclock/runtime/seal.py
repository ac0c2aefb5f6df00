"""Sealing small documents: a keyed digest over their canonical form, and files replaced as a whole.

BLAKE2b takes a key and so is a MAC by itself (RFC 7693, section 2.5). It comes from CPython's own module:
hashlib would load OpenSSL, 3.8 MB of a daemon that has 20 (docs/adr/0020).
"""

import json
import os
import stat
from collections.abc import Mapping
from contextlib import suppress

try:
    from _blake2 import blake2b
except ImportError:  # an interpreter without it pays with memory
    from hashlib import blake2b

KEY_SIZE = 32
_DIGEST_SIZE = 32
_MAX_SIZE = 1 << 20
_WRITE_BY_OTHERS = 0o022

Fields = dict[str, object]


class UnfitError(Exception):
    """A file that must not be used as it lies there; the text says why, without its name."""


def digest(text: str) -> str:
    """A plain digest, for telling two texts apart."""
    return blake2b(text.encode(), digest_size=16).hexdigest()


def seal(key: bytes, purpose: str, fields: Mapping[str, object]) -> str:
    """The MAC of a document; ``purpose`` keeps one kind of document from passing for another."""
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    mac = blake2b(text.encode(), key=key, person=purpose.encode(), digest_size=_DIGEST_SIZE)
    return mac.hexdigest()


def opened(key: bytes, purpose: str, data: bytes) -> Fields | None:
    """The fields of a sealed document, its seal as "mac"; None when the seal is not ours."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    # No secret leaks through the time that a comparison takes: each guess costs a restart of the daemon.
    mac = document.pop("mac", None)
    return {**document, "mac": mac} if mac == seal(key, purpose, document) else None


def sealed(key: bytes, purpose: str, fields: Mapping[str, object]) -> tuple[bytes, str]:
    """A document with its seal, as the text of its file, and the seal alone."""
    mac = seal(key, purpose, fields)
    return (json.dumps({**fields, "mac": mac}, indent=1) + "\n").encode(), mac


def read_whole(path: str) -> bytes | None:
    """A file's bytes, None where there is none. Raises UnfitError for one that others could have made, or
    that cannot be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnfitError(f"cannot be read: {error.strerror}") from None
    with open(fd, "rb") as file:
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode):
            raise UnfitError("is not a regular file")
        if facts.st_uid not in (0, os.geteuid(), _owner(path)[0]) or facts.st_mode & _WRITE_BY_OTHERS:
            raise UnfitError(
                f"belongs to uid {facts.st_uid} with mode {stat.S_IMODE(facts.st_mode):04o}, expected "
                f"uid {os.geteuid()} or root and no one else to write it"
            )
        data = file.read(_MAX_SIZE + 1)
    if len(data) > _MAX_SIZE:
        raise UnfitError(f"is larger than {_MAX_SIZE} bytes")
    return data


def _owner(path: str) -> tuple[int, int]:
    """Whom the directory belongs to: the daemon's user, in whose name root writes."""
    facts = os.stat(os.path.dirname(path) or ".")
    return facts.st_uid, facts.st_gid


def replace_whole(path: str, data: bytes) -> None:
    """Replace a file: tmp (mode 0600), fsync, rename, fsync of the directory. Raises OSError."""
    temporary = f"{path}.new"
    with suppress(FileNotFoundError):
        os.unlink(temporary)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(temporary, flags, 0o600), "wb") as file:
        if os.geteuid() == 0:
            os.fchown(file.fileno(), *_owner(path))
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    directory = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
