"""What is put in place on a host, and how: units, rules, users, a configuration, drop-ins."""

from refclock.install.host import Host, host
from refclock.install.placing import MANIFEST, Deed, Manifest, place, remove
from refclock.install.planning import Item, Site, plan

__all__ = ["MANIFEST", "Deed", "Host", "Item", "Manifest", "Site", "host", "place", "plan", "remove"]
