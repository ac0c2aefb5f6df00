"""The attackers, as one table: name, amounts, what each changes, from when until when.

Written ``NAME[:AMOUNT[,AMOUNT]][@TIME[+DURATION]]``; TIME counts from the start of the world. An attack
that ends leaves everything as it would have been without it.
"""

from collections.abc import Sequence
from dataclasses import replace

from refclock.errors import ConfigError
from refclock.units import NS_PER_S
from refclock.world import deeds, incidents
from refclock.world.attack import Attack, Deed, HostPlan
from refclock.world.chance import Chance
from refclock.world.quantities import Kind, Quantity, parse_duration, parse_quantity

_NEVER_NS = 1 << 62
# Where a host reboots several times each run of its counter begins so far above the next one's, that a
# reading of the counter has one truth. Real counters all begin near zero.
_RUN_NS = 6 * 3600 * NS_PER_S


_T, _R, _N = (Kind.TIME,), (Kind.RATE,), (Kind.COUNT,)
_L, _S = (Kind.LENGTH,), (Kind.SHARE,)
_D, _I = deeds, incidents

DEEDS = (
    Deed("step", (_T,), "+100ms", "receiver's time steps", receiver=_D.shift),
    Deed("ramp", (_R,), "20ppm", "receiver's time drifts away", receiver=_D.shift),
    Deed("saw", (_T, _L), "800us,600s", "receiver's time swings by AMP within PERIOD", receiver=_D.saw),
    Deed("meacon", (_L,), "1ms", "signal re-broadcast late: pulse and label late", receiver=_D.meacon),
    Deed("toggle", (_T, _L), "+13700ns,60s", "receiver's time is off in every other PERIOD",
         receiver=_I.toggle),
    Deed("week", (_N,), "-1024", "receiver's date is off by so many weeks", receiver=_D.weeks),
    Deed("date", (_T,), "-1024w", "receiver's date is off (1024w, 365d)", receiver=_D.label),
    Deed("flip-week", (_N,), "-1", "one single second with the week off", receiver=_D.flip_week),
    Deed("gps-week", (_N,), "-1", "u-blox with NAV-TIMEGPS alone, so many weeks off", receiver=_I.gps_week),
    Deed("garble", (), "", "one single second is said to be 62:28:15 of tomorrow", receiver=_I.garble),
    Deed("label", (_T,), "-1s", "labels name the wrong second, the pulse is right", receiver=_D.label),
    Deed("leap", (_N,), "-1", "labels and leap count shift, at no month's end", receiver=_D.leap),
    Deed("false-leap", (_N,), "+1", "receiver announces a leap second that is none", receiver=_D.false_leap),
    Deed("leap-59", (), "", "receiver knows no :60 and says :59 twice", receiver=_I.leap_59),
    Deed("utc-invalid", (), "", "leap count is the firmware's default", receiver=_D.utc_invalid),
    Deed("freeze", (), "", "labels repeat, pulses go on", receiver=_D.freeze),
    Deed("replay", (_L,), "60s", "bytes recorded so long ago are sent again", burst=_D.replay),
    Deed("inject", (_T,), "+1h", "hostile messages between the good ones", receiver=_D.inject),
    Deed("nmea-late", (_L,), "600ms", "messages come late", receiver=_D.late),
    Deed("pps-late", (_T,), "+25ms", "pulses come late (or early), labels do not", receiver=_I.pulse_late),
    Deed("pps-miss", (_S,), "30%", "pulses are lost", receiver=_D.pulse_miss),
    Deed("pps-extra", (_S,), "30%", "further pulses, in such a share of seconds", receiver=_D.pulse_extra),
    Deed("pps-width", (_L,), "200us", "pulses wander by so much either way", receiver=_D.pulse_wander),
    Deed("gap", (_L,), "30m", "receiver and pulse fall silent", receiver=_D.gap),
    Deed("gap-jump", (_L, _T), "30m,+50ms", "silence, then back with an offset", receiver=_D.gap_jump),
    Deed("no-fix", (), "", "no fix, and the receiver says so; the pulse goes on", receiver=_I.no_fix),
    Deed("position", (_N,), "+40000", "receiver claims to be so many metres farther north",
         receiver=_I.position),
    Deed("antenna", (), "", "antenna unplugged: pulse wanders, the fix stays for 20 s", receiver=_D.antenna),
    Deed("jam", (), "", "jammed: indicated as critical, no fix", receiver=_D.jam),
    Deed("spoof-flag", (), "", "receiver itself indicates spoofing", receiver=_D.spoof_flag),
    Deed("rtc", (_T,), "+5s", "RTC is stepped", rtc=_D.rtc_step),
    Deed("ntp-liar", (_T,), "+200ms", "one server lies", answer=_D.liar),
    Deed("ntp-server", (_N, _T), "2,-1s", "the server of that number lies", answer=_I.server),
    Deed("ntp-majority", (_T,), "+200ms", "more than half of the servers lie alike", answer=_D.majority),
    Deed("ntp-leap", (_N,), "+1", "all servers announce a leap second", answer=_D.server_leap),
    Deed("ntp-silence", (), "", "no server answers", answer=_D.silence),
    Deed("ntp-kod", (), "", "all servers send the kiss of death", answer=_D.kiss_of_death),
    Deed("collude", ((Kind.RATE, Kind.TIME),), "5ppm", "receiver and all servers go astray together",
         receiver=_D.shift, answer=_D.collude),
    Deed("foreign-step", (_T,), "+2s", "somebody else steps the system clock", host=_D.foreign_step),
    Deed("foreign-slew", (_R,), "2%", "somebody else slews the system clock", host=_D.foreign_slew),
    Deed("clocksource", (), "", "kernel gives up the TSC for the HPET", host=_D.clocksource),
    Deed("raw", (_R,), "50ppm", "the host's own counter changes its rate", host=_D.raw_rate),
    Deed("vm-pause", (_L,), "20s", "virtual machine paused, its counter stands still", host=_D.vm_pause),
    Deed("reboot", (_L,), "45s", "host reboots and is away so long", host=_D.reboot),
)  # fmt: skip
_BY_NAME = {deed.name: deed for deed in DEEDS}


def parse_attack(text: str, start_ns: int, duration_ns: int, seed: int) -> Attack:
    """Read ``NAME[:AMOUNT][@TIME[+DURATION]]`` for a world of ``duration_ns`` that starts at ``start_ns``.

    Without TIME it begins half-way. Raises ConfigError that says what was expected.
    """
    what, at, when = text.partition("@")
    name, colon, written = what.partition(":")
    deed = _BY_NAME.get(name)
    if deed is None:
        raise ConfigError(f"attack {text!r}: nobody is called {name!r}; there are {', '.join(_BY_NAME)}.")
    try:
        amounts = _amounts(deed, written if colon else deed.default)
        begin, _, lasting = when.partition("+")
        offset_ns = duration_ns // 2 if not at else 0 if begin in ("0", "0s") else parse_duration(begin)
        end_ns = start_ns + offset_ns + parse_duration(lasting) if lasting else _NEVER_NS
    except ConfigError as error:
        raise ConfigError(f"attack {text!r}: {error}") from None
    return Attack(deed, text, amounts, start_ns + offset_ns, end_ns, Chance(seed, f"attack {text}"))


def _amounts(deed: Deed, written: str) -> tuple[Quantity, ...]:
    parts = written.split(",") if written else []
    if len(parts) != len(deed.forms):
        wanted = " and ".join(_choice(form) for form in deed.forms) or "no amount"
        example = f", as in {deed.name}:{deed.default}" if deed.default else ""
        raise ConfigError(f"expected {wanted}{example}; found {written!r}.")
    amounts = tuple(parse_quantity(part) for part in parts)
    for amount, form in zip(amounts, deed.forms, strict=True):
        if not any(amount.suits(kind) for kind in form):
            raise ConfigError(
                f"expected {_choice(form)}, as in {deed.name}:{deed.default}; found {written!r}."
            )
    return amounts


def _choice(form: tuple[Kind, ...]) -> str:
    return " or ".join(kind.value for kind in form)


def host_plan(attacks: Sequence[Attack]) -> HostPlan:
    """What all attacks together do to the host."""
    plan = HostPlan()
    for attack in attacks:
        attack.host(plan)
    later = 0
    for number, outage in sorted(enumerate(plan.outages), key=lambda item: -item[1].start_ns):
        if outage.raw_after_ns is not None:
            plan.outages[number] = replace(outage, raw_after_ns=outage.raw_after_ns + later * _RUN_NS)
            later += 1
    return plan


def attack_table() -> str:
    """The attacks for people: one a line, with the amount that is taken where none is written."""
    width = max(len(deed.name) + len(deed.default) for deed in DEEDS) + 3
    lines = []
    for deed in DEEDS:
        written = f"{deed.name}:{deed.default}" if deed.default else deed.name
        lines.append(f"  {written:<{width}}{deed.meaning}")
    return "\n".join(lines)
