"""Replay caches of this host: which there are, what they still know, and whether they were cleared.

MIT's (type file2, krb5 1.18 and later) refuses whatever it still holds, by the tag alone, whatever the clock
shows; a place is free again once its time is older than the clock skew, and what stood there is forgotten
without a trace (rc_file2.c; krb5's doc/basic/rcache_def.rst has the names). So to keep it costs nobody
anything, to clear it takes away what is left, and neither replaces a change of keys.
"""

import glob
import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from refclock.errors import PortError
from refclock.kerberos import ReplayCache
from refclock.ports import stamp
from refclock.setback.clock import RIGHT_NS
from refclock.units import NS_PER_S
from refclock.wire.rcache import stamps

MIT, OURS = "MIT krb5", "refclock"
_DIRECTORIES = ("/var/tmp", "/var/tmp/systemd-private-*/tmp")
_NAME = "krb5_*.rcache2"
_NAMED = re.compile(r"krb5_([0-9]+)\.rcache2")
# Services run as root or as a system's user (login.defs(5), SYS_UID_MAX). In /var/tmp anybody may write, and
# what somebody else's file says of the time may keep nobody waiting.
_SYSTEM_UIDS = range(1000)
_LARGEST = 1 << 26


@dataclass(frozen=True, slots=True)
class Cache:
    """One file. ``newest_ns``: the latest time of the system clock that it has seen (POSIX ns), or 0."""

    path: str
    kind: str
    newest_ns: int = 0

    @property
    def clear(self) -> str:
        """The command that clears it."""
        if self.kind == MIT:
            return f"rm {shlex.quote(self.path)}"
        code = f"from refclock.kerberos import ReplayCache; ReplayCache({self.path!r}).forget_all()"
        return shlex.join([sys.executable, "-c", code])

    @property
    def cleared(self) -> bool:
        """Whether it is gone, or knows of no time that is still to come."""
        if not os.path.lexists(self.path):
            return True
        return self.kind == OURS and _ours(self.path).newest_ns <= stamp.now()[1] + RIGHT_NS


def find(environ: Mapping[str, str], ours: Sequence[str]) -> list[Cache]:
    """MIT's of all users in their usual places, and the refclock.kerberos.ReplayCache files that were named.
    Raises PortError for one of those that is not there, ReplayCacheError for one that is none."""
    directories = [environ[name] for name in ("KRB5RCACHEDIR", "TMPDIR") if environ.get(name)]
    patterns = [os.path.join(glob.escape(one), _NAME) for one in directories]
    patterns += [os.path.join(one, _NAME) for one in _DIRECTORIES]
    kind, _, path = environ.get("KRB5RCACHENAME", "").partition(":")
    paths = {path} if kind == "file2" and os.path.isfile(path) else set()
    paths |= {
        found
        for pattern in patterns
        for found in glob.glob(pattern)
        if _NAMED.fullmatch(os.path.basename(found)) and os.path.isfile(found)
    }
    return [*(_mit(one) for one in sorted(paths)), *(_ours(one) for one in ours)]


def _mit(path: str) -> Cache:
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            owner = os.fstat(file.fileno()).st_uid
            data = file.read(_LARGEST) if owner in _SYSTEM_UIDS else b""
    except OSError:
        data = b""
    return Cache(path, MIT, max(stamps(data), default=0) * NS_PER_S)


def _ours(path: str) -> Cache:
    # It would be made where it is not there.
    if not os.path.isfile(path):
        raise PortError(f"{path}: no such file; --replay-cache names a refclock.kerberos.ReplayCache.")
    cache = ReplayCache(path)
    try:
        return Cache(path, OURS, stamp.now()[1] + cache.set_back_ns)
    finally:
        cache.close()
