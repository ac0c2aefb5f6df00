"""The witnesses beside receiver, quorum, RTC and cesium: a network card's clock, chrony's own sources, and
the realm's other KDCs.

They loosen nothing. What they say counts against a second, and of the first two also towards ``vetted``, but
neither towards the first feed nor towards a new anchor; and the network is one witness, whether refclock or
chrony asked it.
"""

from dataclasses import replace

from refclock.core.seconds.interval import RawRate
from refclock.core.seconds.pairing import Refused, Second
from refclock.core.witness.assessment import Assessment
from refclock.core.witness.chronysources import ChronySources
from refclock.core.witness.phc import PhcWitness
from refclock.core.witness.realm import Realm
from refclock.policy import Policy


class Further:
    """All three of them."""

    def __init__(self, policy: Policy) -> None:
        self._limits = policy.limits
        self.phc = PhcWitness()
        self.chrony = ChronySources(policy.limits)
        self.realm = Realm(policy)

    def forget_raw(self) -> None:
        """The raw counter lost its continuity."""
        self.phc.forget_raw()
        self.chrony.forget_raw()
        self.realm.forget_raw()

    def join(self, said: Assessment, second: Second, si_ns: int, rate: RawRate) -> Assessment:
        """The others' view of a second with theirs added."""
        raw_ns, unc_ns = second.edge.raw_ns, second.edge.unc_ns
        phc, chrony = self.phc.interval(raw_ns, rate), self.chrony.at(raw_ns, rate)
        realm = self.realm.at(raw_ns, rate)
        if phc is None and chrony is None and realm is None:
            return said
        further, objects, disagrees = 0, None, False
        if realm is not None:
            outside = realm.outside_ns(si_ns)
            if outside > unc_ns:
                objects = Refused(raw_ns, "realm", outside, unc_ns, second.utc_s)
        if phc is not None:
            disagrees = phc.outside_ns(si_ns) > unc_ns
            further = int(not disagrees)
        if chrony is not None:
            value, limit = chrony.farthest_ns(si_ns), self._limits.quorum_error_ns + unc_ns
            if value > limit:
                objects = Refused(raw_ns, "chrony", value, limit, second.utc_s)
            elif said.quorum is None:
                further += chrony.outside_ns(si_ns) <= unc_ns
        agreeing = said.agreeing + further
        return replace(
            said, agreeing=agreeing, further=further, further_objects=objects, phc_disagrees=disagrees
        )
