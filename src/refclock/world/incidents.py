"""Deeds known from incidents: what receivers, servers and pulses did to others before they do it to us.

Like deeds.py; the table in attacks.py names them. hw-fixtures/incidents/ shows them at work.
"""

from refclock.units import NS_PER_S, S_PER_DAY
from refclock.world.attack import Answer, Attack
from refclock.world.encoders import civil
from refclock.world.moment import Moment

_GARBLED_HOUR, _GARBLED_MINUTE, _GARBLED_SECOND = 62, 28, 15


def toggle(attack: Attack, moment: Moment) -> None:
    """Off in every other period, as where good and bad satellites take turns with a UTC correction."""
    amount, period = attack.amounts[0].value, attack.amounts[1].value
    if (moment.second * NS_PER_S - attack.start_ns) // period % 2 == 0:
        moment.shift_ns += amount


def garble(attack: Attack, moment: Moment) -> None:
    """The very reading of a Motorola Oncore on 2003-11-28: hour 62 of the next day."""
    if moment.second == -(-attack.start_ns // NS_PER_S):
        tomorrow = civil(moment.second + S_PER_DAY)
        moment.reading = tomorrow._replace(hour=_GARBLED_HOUR, minute=_GARBLED_MINUTE, second=_GARBLED_SECOND)


def gps_week(attack: Attack, moment: Moment) -> None:
    moment.gps_week = (moment.gps_week or 0) + attack.amounts[0].value


def no_fix(_attack: Attack, moment: Moment) -> None:
    moment.fix = False


def position(attack: Attack, moment: Moment) -> None:
    moment.north_m += attack.amounts[0].value


def pulse_late(attack: Attack, moment: Moment) -> None:
    moment.edge_ns += attack.amounts[0].value


def leap_59(_attack: Attack, moment: Moment) -> None:
    moment.says_60 = False


def server(attack: Attack, answer: Answer) -> None:
    if answer.server == attack.amounts[0].value - 1:
        answer.shift_ns += attack.amounts[1].value
