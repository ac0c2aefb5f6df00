"""This host as a set-back sees it: its clock, its services, its keys, its caches."""

import os
from collections.abc import Callable, Mapping, Sequence

from refclock.bounded import only_file
from refclock.errors import NotVettedError, PortError, RefclockError, TimeUnavailableError
from refclock.kerberos.asking import Kdc, ask_kdcs, by_system_clock
from refclock.kerberos.uptime import UptimeClock
from refclock.policy import KDC_PORT
from refclock.setback import kadmin
from refclock.setback.caches import Cache, find
from refclock.setback.clock import RIGHT_NS, Opinion, by_status, by_time_file
from refclock.setback.dependents import Dependent, Scan, scan
from refclock.setback.keys import Keys, in_keytab
from refclock.setback.steps import Options
from refclock.units import show_ns

ROLES = ("kdc", "replica", "server")
DATABASES = ("/var/lib/krb5kdc/principal", "/var/kerberos/krb5kdc/principal")
_REPLICAS = ("/etc/krb5kdc/kpropd.acl", "/var/kerberos/krb5kdc/kpropd.acl")
_TIMEOUT_MS = 2000

Status = Callable[[str], Mapping[str, object]]


class Site:
    """Looks, and changes nothing."""

    def __init__(self, options: Options, status: Status) -> None:
        """``status`` asks the daemon behind a socket for its document; it may raise RefclockError."""
        self.options = options
        self._status = status
        self._uptime = UptimeClock()

    def opinion(self) -> Opinion:
        """By how much the clock is ahead: by the daemon, or else by a person's word, if there is one. Raises
        TimeUnavailableError where nobody vouches for a time."""
        if self.options.anchor is None:
            return self.vetted()
        try:
            return self.vetted()
        except TimeUnavailableError:
            return self.options.anchor.opinion(self._uptime)

    def vetted(self) -> Opinion:
        """What the daemon says, whatever a person said. Raises TimeUnavailableError where it vouches for no
        time."""
        try:
            return by_time_file(self.options.time_file)
        except NotVettedError as no_file:
            try:
                path = self.options.socket or only_file("sock", "status socket", PortError)
                document = self._status(path)
            except RefclockError as silent:
                raise NotVettedError(
                    f"nobody vouches for the time: {no_file} {silent} Nothing goes on by less: see to the "
                    "daemon, or give an amount that you answer for (--by, --reason)."
                ) from None
            return by_status(document, path)

    def scan(self) -> Scan:
        """What runs and listens."""
        return scan(self.options.services, self.options.ports)

    def keys(self, salt: bytes) -> list[Keys]:
        """Every key that has to change: the keytabs', then the realm's own where this is a KDC that has the
        database. Raises PortError."""
        found = [keys for path in self.options.keytabs for keys in in_keytab(path, salt)]
        if self.options.role == "kdc":
            named = {one.principal for one in found}
            found += [one for one in kadmin.realm_keys(self.options.realm) if one.principal not in named]
        return found

    def in_database(self, principal: str) -> Keys | None:
        """A principal's keys where this is a KDC that has the database. Raises PortError."""
        if self.options.role != "kdc":
            return None
        return kadmin.in_database(self.options.realm, principal)

    def caches(self) -> list[Cache]:
        """The replay caches. Raises PortError, ReplayCacheError."""
        return find(os.environ, self.options.replay_caches)

    def kdc_trouble(self, kdc: Dependent) -> str:
        """What is wrong with the clock that a KDC of this host shows to its clients; nothing when it is this
        host's own."""
        placed = sorted(kdc.sockets, key=lambda one: (one.port != KDC_PORT, one.over != "udp"))
        if not placed or not self.options.realm:
            return ""
        host = {"*": "127.0.0.1"}.get(placed[0].address, placed[0].address)
        asked = Kdc((host, placed[0].port), (placed[0].over,))
        (said,) = by_system_clock(ask_kdcs(self.options.realm, [asked], _TIMEOUT_MS))
        if said.trouble:
            return f"{said.peer} does not tell its time: {said.trouble}"
        # One answer may be known to a second only (refclock.kerberos.asking).
        if said.low_ns > RIGHT_NS or said.high_ns < -RIGHT_NS:
            return (
                f"{said.peer} is off by {show_ns((said.low_ns + said.high_ns) // 2)} from this host's clock"
            )
        return ""


def role_of(found: Sequence[Dependent]) -> str:
    """What this host is, by what runs and by what lies there."""
    names = {one.name for one in found}
    if "kpropd" in names or ("kadmind" not in names and any(map(os.path.exists, _REPLICAS))):
        return "replica"
    if names & {"krb5kdc", "kadmind"} or any(map(os.path.exists, DATABASES)):
        return "kdc"
    return "server"


def latest_of(caches: Sequence[Cache], latest_ns: int) -> int:
    """The latest time that the clock ever showed to a service, as far as anybody knows."""
    return max([latest_ns, *(one.newest_ns for one in caches)])
