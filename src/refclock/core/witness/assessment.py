"""What those who were asked beside the receiver say of one second."""

from dataclasses import dataclass

from refclock.core.seconds.interval import Interval
from refclock.core.seconds.pairing import Refused


@dataclass(frozen=True, slots=True)
class Assessment:
    """The witnesses' view of one second: who agrees, and the first objection.

    ``quorum`` and ``rtc`` are their intervals as of that second (None: no opinion), ``apart_ns`` is how
    far the receiver has moved from the cesium's pulse (None: no cesium, or silent). ``networked``: servers
    are known, whether they answer or not. ``further`` of those ``agreeing`` are core.witness.further's.
    """

    quorum: Interval | None
    rtc: Interval | None
    agreeing: int
    quorum_objects: Refused | None
    rtc_objects: Refused | None
    networked: bool
    cesium_objects: Refused | None = None
    apart_ns: int | None = None
    cesium_silent: bool = False
    further: int = 0
    further_objects: Refused | None = None
    phc_disagrees: bool = False
    companion_disagrees: bool = False

    @property
    def before_trust(self) -> int:
        """How many agree that count before a receiver is trusted, and for a new anchor."""
        return self.agreeing - self.further

    @property
    def supports_reanchor(self) -> bool:
        """The quorum agrees (or, at a site without network, the RTC), and none that can refuse a second
        objects: a second that is refused after all must not have moved the anchor for good. The silence of
        servers that were heard loosens nothing."""
        if self.quorum_objects or self.cesium_objects or self.further_objects:
            return False
        return self.quorum is not None or (not self.networked and self.before_trust > 0)

    def in_words(self, needed: int) -> str:
        """The reason for which a witness counts as lost or back."""
        missing = []
        if self.quorum is None:
            missing.append("the NTP quorum has no opinion")
        if self.rtc_objects or self.rtc is None:
            missing.append("rtc disagrees" if self.rtc_objects else "rtc has no opinion")
        if self.cesium_silent:
            missing.append("the cesium is silent")
        if self.companion_disagrees:
            missing.append("the second receiver disagrees")
        if self.phc_disagrees:
            missing.append("phc disagrees")
        return ": ".join(
            filter(None, [f"{self.agreeing} of {needed} witnesses needed agree", " and ".join(missing)])
        )
