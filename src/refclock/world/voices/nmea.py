"""NMEA 0183 with the sentences of a u-blox and, of leap seconds, a Furuno."""

from refclock.world import encoders
from refclock.world.encoders import civil
from refclock.world.labels import Label
from refclock.world.moment import Moment
from refclock.world.voices.voice import Voice


class Nmea(Voice):
    """RMC, GGA, ZDA, PUBX,04, and PERDCRW,TPS1 while a leap second is announced."""

    def says(self, label: Label, moment: Moment) -> list[bytes]:
        when = label.when
        bias_ns = self.chance.between(-500_000, 500_000)
        said = [
            encoders.rmc(when, moment.fix, moment.north_m),
            encoders.gga(when, moment.fix, self.satellites(moment), moment.north_m),
            encoders.zda(when),
            encoders.pubx_time(when, label.posix_s, moment.leap_s, not moment.utc_known, bias_ns),
        ]
        if moment.change_at_s is not None:
            event = civil(moment.change_at_s)
            status = 2 if moment.utc_known else 1
            future_s = moment.leap_s + moment.change
            said.append(encoders.furuno_time(when, status, event, moment.leap_s, future_s))
        return said
