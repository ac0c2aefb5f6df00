"""Scenarios in which somebody lies to a living KDC: the receiver, its pulse, NTP servers, or all."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.vm.bench import Bench, Status, check, since

_LOCKS_S = 120


@dataclass(frozen=True, slots=True)
class Lie:
    """An attack of refclock.world, and what must follow: the accused (within the message) and the mode."""

    text: str
    accused: str
    mode: str
    short: bool = False


LIES = {
    "receiver +1 s": Lie("step:+1s", "receiver", "locked", short=True),
    "receiver -1 s": Lie("step:-1s", "receiver", "locked"),
    "receiver +100 ms": Lie("step:+100ms", "receiver", "locked", short=True),
    "receiver ramps by 2 %": Lie("ramp:2%", "receiver", "locked"),
    "week rollover": Lie("week:-1024", "", "locked"),
    "leap second at no month's end": Lie("leap:-1", "receiver", "locked"),
    "receiver and all servers by +300 ms": Lie("collude:+300ms", "receiver+ntp", "locked"),
}
OUTAGES = {
    "messages late by 600 ms": ("nmea-late:600ms", "holdover", "label-conflict"),
    "antenna fault": ("antenna", "holdover", "antenna"),
    "receiver silent": ("gap:1h", "holdover", ""),
    "most servers by +200 ms": ("ntp-majority", "", "ntp"),
}


def lie(one: Lie) -> Callable[[Bench], str]:
    """Nothing of it is fed, the one that lies is named, and an operator's rearm alone ends it."""

    def run(bench: Bench) -> str:
        bench.settled()
        mark = bench.recorder.mark()
        with bench.attack(one.text):
            status = bench.until(f"mode {one.mode}", lambda told: told["mode"] == one.mode, _LOCKS_S)
            bench.rest(8)
        named = str(status.get("last_accusation") or bench.status().get("last_accusation") or "")
        assert one.accused in named, f"accused: {named!r}, expected {one.accused}"
        bench.rest(4)
        assert bench.status()["mode"] == one.mode, "a lock ended by itself"
        figures = check(since(bench, mark))
        bench.kdc_runs()
        bench.rearm()
        bench.fed()
        return f"{named or status['mode_reason']}; {figures}"

    return run


def outage(text: str, mode: str, word: str) -> Callable[[Bench], str]:
    """Nothing false is fed, and once it is over seconds are fed again by themselves."""

    def run(bench: Bench) -> str:
        bench.settled()
        before = bench.status()
        mark = bench.recorder.mark()

        def noticed(told: Status) -> bool:
            if mode:
                return bool(told["mode"] == mode)
            return told.get("last_accusation") not in (None, before.get("last_accusation"))

        with bench.attack(text):
            status = bench.until(f"{mode or 'an accusation'}", noticed, 120)
            named = status.get("last_accusation")
            new = "" if named == before.get("last_accusation") else str(named)
            said = "; ".join(filter(None, [status["mode_reason"], new]))
            if word not in said:
                # A receiver says why it has no time some seconds after that it has none.
                bench.until(word, lambda told: told["last_withhold"]["reason"] == word, 30)
                said += f"; {word}"
            bench.rest(8)
        bench.fed()
        figures = check(since(bench, mark))
        bench.kdc_runs()
        return f"{status['mode']} ({said}), back by itself; {figures}"

    return run


def followed(text: str, seconds: int, word: str = "", *, mend: bool = False) -> Callable[[Bench], str]:
    """Seconds are fed on meanwhile, and the clock stays where it should. ``mend``: all is begun anew,
    because the attack's end is a jump of its own."""

    def run(bench: Bench) -> str:
        bench.settled()
        before = bench.status()["counters"]
        mark = bench.recorder.mark()
        with bench.attack(text):
            bench.rest(seconds)
            status = bench.status()
        after = status["counters"]
        fed = after.get("published", 0) - before.get("published", 0)
        assert fed >= seconds // 3, f"only {fed} of {seconds} seconds were fed"
        named = str(status.get("last_accusation") or "")
        assert word in named, f"accused: {named!r}"
        figures = check(since(bench, mark))
        new = {key: value - before.get(key, 0) for key, value in after.items() if value != before.get(key, 0)}
        if mend:
            bench.mend()
        noted = ", ".join(
            f"{key} {value}" for key, value in new.items() if key not in ("published", "withheld")
        )
        return f"{fed} of {seconds} s fed ({noted or 'nothing noted'}); {figures}"

    return run


def false_leap(bench: Bench) -> str:
    """The receiver alone announces a leap second: chronyd is told of none."""
    bench.settled()
    mark = bench.recorder.mark()
    with bench.attack("false-leap:+1"):
        bench.rest(20)
        told = bench.status()["last_publish"]
        assert told["leap"] == 0, told
        assert "Leap status     : Normal" in bench.run("chronyc tracking")
    return f"none is passed on, chronyd says Normal; {check(since(bench, mark))}"
