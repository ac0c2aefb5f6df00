"""Who is wrong? A day of one source drifting at 5 ppm, over many hosts: how often is the right one named?

usage: python bench/attribution.py [--runs N] [--seed N] [--jobs N] [--profile P] [--ppm N]

Each run is a host of bench/search with an oscillator of a realistic kind, four servers on a random path, an
enrolled rate and an RTC that wanders with the day's temperature. Half an hour after the dwell one source
begins to drift: the receiver, all NTP servers, the raw counter, or receiver and servers together. The first
name within 24 h counts: the right one, a wrong one, "ambiguous", or nobody's. Exits with 1 for a wrong name,
and where the right one came in fewer than 99 of 100 runs.
"""

import argparse
import math
import multiprocessing
import random
import statistics
import sys
from dataclasses import dataclass

from search.host import Host
from search.plan import Plan
from search.play import Player
from search.setting import Setting

from refclock.model import Mode
from refclock.policy import PROFILES
from refclock.units import NS_PER_S, PPT_ONE, PPT_PER_PPM

GUILTY = ("receiver", "ntp", "raw", "receiver+ntp")
_SERVERS = 4
_STEP_S = 59
_TRIES = 20
_HONEST_S = 1_800
_DAY_S = 86_400
_WANTED = 99


@dataclass(frozen=True)
class Run:
    """One host and who drifts, by how much."""

    profile: str
    guilty: str
    ppt: int
    seed: int


@dataclass(frozen=True)
class Said:
    """Who was first named ("" for nobody), after how long, and whether a bound was broken."""

    run: Run
    source: str
    after_s: int
    violations: tuple[str, ...]


def setting_of(run: Run, chance: random.Random) -> Setting:
    """A host that is enrolled, as one would be before a drift of 5 ppm can be told from its own."""
    return Setting(
        profile=run.profile,
        seed=chance.randrange(1 << 32),
        servers=_SERVERS,
        liars=_SERVERS,
        path=chance.choice(("lan", "wan", "far")),
        oscillator=chance.choice(("quiet", "noisy", "warm")),
        rate_ppt=chance.randint(-20, 20) * PPT_PER_PPM,
        enrolled_unc_ppt=chance.choice((1_000, 60_000)),
        poll_s=64,
        coarse=True,
    )


class Drift:
    """Lets the guilty one drift, and the RTC wander with the room's temperature."""

    def __init__(self, host: Host, run: Run, chance: random.Random) -> None:
        self._host, self._run = host, run
        self._began_ns = self._last_ns = host.counter.true_ns
        # A 32 kHz crystal in a room: about a part in a million over a day, and some random walk.
        self._swing_ppt = chance.uniform(0, 1.0) * PPT_PER_PPM
        self._phase = chance.uniform(0, 2 * math.pi)
        self._walk_ppt = 0.0
        self._chance = chance
        if run.guilty in ("receiver", "receiver+ntp"):
            host.ramp_ppt = run.ppt
        if run.guilty == "raw":
            host.counter.change_rate(run.ppt)
        if run.guilty == "receiver+ntp":
            host.liar.how, host.follow_ppt = "follow", PPT_ONE

    def __call__(self) -> None:
        """Before each second."""
        host, now = self._host, self._host.counter.true_ns
        passed, self._last_ns = now - self._last_ns, now
        day = (now - self._began_ns) / NS_PER_S / _DAY_S
        self._walk_ppt += self._chance.gauss(0, 0.2 * PPT_PER_PPM) * (passed / NS_PER_S / _DAY_S) ** 0.5
        rate = self._swing_ppt * math.sin(2 * math.pi * day + self._phase) + self._walk_ppt
        host.rtc_ns += round(passed * rate / PPT_ONE)
        if self._run.guilty == "ntp":
            host.liar.how = "off"
            host.liar.off_ns = (now - self._began_ns) * self._run.ppt // PPT_ONE


def play(run: Run) -> Said:
    """One day."""
    chance = random.Random(repr(run))
    for _ in range(_TRIES):
        player = Player(Plan(setting_of(run, chance), ()), budget=1 << 30)
        player.dwell()
        player.samples(_HONEST_S // _STEP_S, _STEP_S)
        if player.host.bridge.vetting.mode in (Mode.VETTED, Mode.DEGRADED):
            break  # others are too far from their servers for this profile
    host = player.host
    oracle = host.oracle
    before, began_ns = len(oracle.accused), host.counter.true_ns
    drift = Drift(host, run, chance)
    while host.counter.true_ns - began_ns < _DAY_S * NS_PER_S and oracle.published:
        player.samples(1, _STEP_S, drift)
        named = oracle.accused[before:]
        if named or oracle.violations:
            after_s = (host.counter.true_ns - began_ns) // NS_PER_S
            return Said(run, named[0] if named else "", after_s, tuple(oracle.violations))
    return Said(run, "" if oracle.published else "never fed", _DAY_S, tuple(oracle.violations))


def _right(run: Run) -> tuple[str, ...]:
    """The names that are right. A cesium shows the receiver's guilt at once, and that locks; whether the
    servers lied as well is never seen then."""
    cesium = run.profile == "kdc-cesium" and run.guilty == "receiver+ntp"
    return (run.guilty, "receiver") if cesium else (run.guilty,)


def table(found: list[Said]) -> tuple[str, bool]:
    """One row for each profile and guilty source, and whether all is as promised."""
    head = f"{'profile':<11} {'drifts':<13} {'runs':>5} {'named':>8} {'wrong':>6} {'ambiguous':>10}"
    lines, good = [head + f" {'nobody':>7} {'median':>8} {'slowest':>8}"], True
    for profile in PROFILES:
        for guilty in GUILTY:
            mine = [one for one in found if (one.run.profile, one.run.guilty) == (profile, guilty)]
            if not mine:
                continue
            right = sorted(one.after_s for one in mine if one.source in _right(one.run))
            ambiguous = sum(one.source == "ambiguous" for one in mine)
            nobody = sum(one.source in ("", "never fed") for one in mine)
            wrong = len(mine) - len(right) - ambiguous - nobody
            good = good and not wrong and 100 * len(right) >= _WANTED * len(mine)
            median, slowest = (statistics.median(right), right[-1]) if right else (math.nan, math.nan)
            share = 100 * len(right) / len(mine)
            lines.append(
                f"{profile:<11} {guilty:<13} {len(mine):>5} {share:>6.1f} % {wrong:>6} {ambiguous:>10} "
                f"{nobody:>7} {median / 3600:>6.1f} h {slowest / 3600:>6.1f} h"
            )
    return "\n".join(lines), good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=100, help="hosts for each profile and source (100)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    parser.add_argument("--ppm", type=float, default=5.0)
    parser.add_argument("--profile", choices=PROFILES, action="append")
    args = parser.parse_args()
    ppt = round(args.ppm * PPT_PER_PPM)
    runs = [
        Run(profile, guilty, ppt if number % 2 else -ppt, args.seed * 1_000_000 + number)
        for number in range(args.runs)
        for profile in args.profile or PROFILES
        for guilty in GUILTY
    ]
    found: list[Said] = []
    with multiprocessing.Pool(args.jobs) as workers:
        for one in workers.imap_unordered(play, runs, chunksize=4):
            found.append(one)
            if one.source not in _right(one.run) or one.violations:
                print(f"{one.run}: {one.source or 'nobody'}, {one.violations}", file=sys.stderr, flush=True)
            if sys.stderr.isatty():
                print(f"\r{len(found)} of {len(runs)}", end="", file=sys.stderr)
    told, good = table(found)
    print(told)
    return int(not good or any(one.violations for one in found))


if __name__ == "__main__":
    sys.exit(main())
