"""What is put in place on a host, and how: units, rules, users, a configuration, drop-ins."""

from refclock.install.placing import MANIFEST, Deed, Manifest, place, remove
from refclock.install.planning import Item, Site, plan

__all__ = ["MANIFEST", "Deed", "Item", "Manifest", "Site", "place", "plan", "remove"]
