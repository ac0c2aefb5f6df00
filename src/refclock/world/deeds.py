"""What each attacker does, as one small function: it changes a moment of the receiver, an NTP answer, the
RTC or the host. The table in attacks.py names them and says what their amounts mean."""

from refclock.units import NS_PER_S, NS_PER_US, S_PER_DAY, S_PER_WEEK, scale_down
from refclock.world.attack import Answer, Attack, HostPlan
from refclock.world.encoders import civil
from refclock.world.moment import Burst, Moment
from refclock.world.oscillator import Outage, RateChange
from refclock.world.quantities import Kind

_RAW_AFTER_BOOT_NS = 9 * NS_PER_S
_FIX_KEPT_S = 20


def _offset_ns(attack: Attack, at_ns: int) -> int:
    """The first amount: itself when it is a time, grown since the start when it is a rate."""
    amount = attack.amounts[0]
    return amount.value if amount.kind is Kind.TIME else scale_down(at_ns - attack.start_ns, amount.value)


def _age_s(attack: Attack, moment: Moment) -> int:
    return moment.second - -(-attack.start_ns // NS_PER_S)


def shift(attack: Attack, moment: Moment) -> None:
    moment.shift_ns += _offset_ns(attack, moment.second * NS_PER_S)


def saw(attack: Attack, moment: Moment) -> None:
    """0, +AMP, 0, -AMP, 0 in straight lines: the probe of somebody who looks for the limits."""
    height, period = attack.amounts[0].value, attack.amounts[1].value
    within = (moment.second * NS_PER_S - attack.start_ns) % period * 4
    if within > 3 * period:
        within -= 4 * period
    elif within > period:
        within = 2 * period - within
    moment.shift_ns += height * within // period


def meacon(attack: Attack, moment: Moment) -> None:
    moment.shift_ns -= attack.amounts[0].value


def weeks(attack: Attack, moment: Moment) -> None:
    moment.label_s += attack.amounts[0].value * S_PER_WEEK


def label(attack: Attack, moment: Moment) -> None:
    moment.label_s += attack.amounts[0].value // NS_PER_S


def flip_week(attack: Attack, moment: Moment) -> None:
    if _age_s(attack, moment) == 0:
        weeks(attack, moment)


def leap(attack: Attack, moment: Moment) -> None:
    """An early or late leap second: the receiver's leap count goes one way, its labels the other."""
    moment.label_s += attack.amounts[0].value
    moment.leap_s -= attack.amounts[0].value


def false_leap(attack: Attack, moment: Moment) -> None:
    moment.change = attack.amounts[0].value
    moment.change_at_s = month_end(moment.second)


def month_end(second: int) -> int:
    """The POSIX second that begins the month after the one that ``second`` lies in."""
    year, month = civil(second)[:2]
    day = second // S_PER_DAY
    while civil(day * S_PER_DAY)[:2] == (year, month):
        day += 1
    return day * S_PER_DAY


def utc_invalid(_attack: Attack, moment: Moment) -> None:
    moment.utc_known = False


def freeze(attack: Attack, moment: Moment) -> None:
    moment.label_s -= _age_s(attack, moment) + 1


def replay(attack: Attack, burst: Burst, active: bool) -> Burst:
    delay_s = attack.amounts[0].value // NS_PER_S
    attack.memory.append(burst)
    if len(attack.memory) <= delay_s:
        return burst
    old = attack.memory.popleft()
    return old if active else burst


def inject(attack: Attack, moment: Moment) -> None:
    moment.inject_s.append(attack.amounts[0].value // NS_PER_S)


def late(attack: Attack, moment: Moment) -> None:
    moment.late_ns += attack.amounts[0].value


def pulse_miss(attack: Attack, moment: Moment) -> None:
    if attack.chance.happens(attack.amounts[0].value):
        moment.pulse = False


def pulse_extra(attack: Attack, moment: Moment) -> None:
    if attack.chance.happens(attack.amounts[0].value):
        moment.extra_edges.append(attack.chance.between(5_000_000, 995_000_000))


def pulse_wander(attack: Attack, moment: Moment) -> None:
    reach = attack.amounts[0].value
    moment.edge_ns += attack.chance.between(-reach, reach)


def gap(attack: Attack, moment: Moment) -> None:
    if moment.second * NS_PER_S < attack.start_ns + attack.amounts[0].value:
        moment.silent = True


def gap_jump(attack: Attack, moment: Moment) -> None:
    gap(attack, moment)
    moment.shift_ns += attack.amounts[1].value


def antenna(attack: Attack, moment: Moment) -> None:
    """The pulse coasts on the receiver's TCXO (some 1e-7, and getting worse); the fix is kept for 20 s."""
    age_s = _age_s(attack, moment)
    attack.walk_ns += attack.chance.normal(2 * NS_PER_US) + 150 + age_s // 10
    moment.edge_ns += attack.walk_ns
    if age_s >= _FIX_KEPT_S:
        moment.fix = False
        moment.antenna = "open"


def jam(_attack: Attack, moment: Moment) -> None:
    moment.jamming = 3
    moment.fix = False


def spoof_flag(_attack: Attack, moment: Moment) -> None:
    moment.spoofing = 2


def rtc_step(attack: Attack, _at_ns: int) -> int:
    return attack.amounts[0].value


def liar(attack: Attack, answer: Answer) -> None:
    if answer.server == 0:
        answer.shift_ns += attack.amounts[0].value


def majority(attack: Attack, answer: Answer) -> None:
    if answer.server <= answer.count // 2:
        answer.shift_ns += attack.amounts[0].value


def collude(attack: Attack, answer: Answer) -> None:
    answer.shift_ns += _offset_ns(attack, answer.at_ns)


def server_leap(attack: Attack, answer: Answer) -> None:
    answer.leap = 1 if attack.amounts[0].value > 0 else 2


def silence(_attack: Attack, answer: Answer) -> None:
    answer.lost = True


def kiss_of_death(_attack: Attack, answer: Answer) -> None:
    answer.kiss = b"DENY" if answer.server % 2 else b"RATE"


def foreign_step(attack: Attack, plan: HostPlan) -> None:
    plan.steps.append((attack.start_ns, attack.amounts[0].value))
    plan.steps.append((attack.end_ns, -attack.amounts[0].value))


def foreign_slew(attack: Attack, plan: HostPlan) -> None:
    plan.slews.append((attack.start_ns, attack.end_ns, attack.amounts[0].value))


def clocksource(attack: Attack, plan: HostPlan) -> None:
    plan.clocksources.append((attack.start_ns, "hpet"))
    plan.clocksources.append((attack.end_ns, "tsc"))


def raw_rate(attack: Attack, plan: HostPlan) -> None:
    # A counter that runs fast has short seconds.
    plan.rates.append(RateChange(attack.start_ns, attack.end_ns, -attack.amounts[0].value))


def vm_pause(attack: Attack, plan: HostPlan) -> None:
    plan.outages.append(Outage(attack.start_ns, attack.start_ns + attack.amounts[0].value, None))


def reboot(attack: Attack, plan: HostPlan) -> None:
    plan.outages.append(
        Outage(attack.start_ns, attack.start_ns + attack.amounts[0].value, _RAW_AFTER_BOOT_NS)
    )
