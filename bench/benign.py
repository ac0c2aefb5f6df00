"""No false alarms: simulated weeks in which nobody attacks, with all that an honest host meets.

usage: python bench/benign.py [--days 60] [--profile P ...] [--receiver nmea|ubx] [--seed N] [--thin N]
                              [--jobs N]

The simulator's whole world runs, bytes and pulses: oscillators with white, flicker and random walk frequency
noise and the day's temperature, receiver noise and sawtooth, NTP with jitter, loss and a false server at
times; beside that bursts of one-sided delay, gaps of 30 minutes, 4 hours, 2 days and a holiday of 10 days,
an hour without NTP, restarts of the daemon, reboots, a real leap second. --thin N hands the core only every
Nth second while nothing else goes on. Exits with 1 for a rejection that was not due, a holdover without its
cause, a false accusation, a lock, or a second outside its published bound.
"""

import argparse
import json
import multiprocessing
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

from search.weeks import Happening, Weeks, honest_weeks, table_of

from refclock.cli.truth import Truth
from refclock.core.bridge import Bridge
from refclock.core.rules.reasons import is_rejection
from refclock.model import (
    Accuse,
    Command,
    Decision,
    Event,
    Mode,
    ModeChange,
    NtpReply,
    Publish,
    Withhold,
)
from refclock.policy import PROFILES, parse_policy
from refclock.units import NS_PER_MS, NS_PER_S, S_PER_DAY, show_ns
from refclock.world import Chance, Emission, World, WorldArguments
from refclock.world.scenario import BUILD_S
from refclock.world.voices.table import VOICES

JUNE_S = 1_811_808_000  # 2027-06-01T00:00:00Z; its last second is followed by a leap second
_QUIET_AFTER_S = 1200  # how long after something happened every second is looked at


class Watch:
    """Holds each decision against what was going on."""

    def __init__(self, weeks: Weeks, world: World, table: tuple[Happening, ...], truth: Truth) -> None:
        self.weeks, self._table, self._truth = weeks, table, truth
        self._start_ns = world.start_ns
        self._leap_s = None if world.leap_at_s is None else world.leap_at_s - world.start_ns // NS_PER_S
        self._degraded_ns: int | None = None

    def since_s(self, raw_ns: int) -> float:
        """Seconds since the world began."""
        return (self._truth.utc_ns(raw_ns) - self._start_ns) / NS_PER_S

    def cause(self, at_s: float, spare_s: int, *kinds: str) -> str:
        """What was going on then, or had just been; "" for nothing."""
        for one in self._table:
            if one.what in kinds and one.at_s - 2 <= at_s <= one.at_s + one.lasts_s + spare_s:
                return one.what
        if "leap" in kinds and self._leap_s is not None and abs(at_s - self._leap_s) < spare_s:
            return "leap second"
        return ""

    def take(self, decision: Decision) -> None:
        """One decision."""
        weeks, raw = self.weeks, decision.raw_ns
        if isinstance(decision, Publish):
            error = abs(self._truth.error_ns(decision))
            weeks.published += 1
            weeks.worst_ns = max(weeks.worst_ns, error)
            weeks.worst_share = max(weeks.worst_share, error / decision.bound_ns)
            weeks.widest_bound_ns = max(weeks.widest_bound_ns, decision.bound_ns)
            if error > decision.bound_ns:
                weeks.outside += 1
                if weeks.outside == 1:
                    self._alarm(raw, f"error {show_ns(error)} outside bound {show_ns(decision.bound_ns)}")
        elif isinstance(decision, Withhold):
            weeks.withheld[decision.reason] = weeks.withheld.get(decision.reason, 0) + 1
            # The simulated system clock is not steered and goes astray over the weeks; it never runs wild.
            if is_rejection(decision.reason) or decision.reason in ("clock-rate", "slew-left"):
                self._alarm(raw, f"rejected: {decision.reason} {decision.value} > {decision.limit}")
        elif isinstance(decision, ModeChange):
            self._mode(decision)
        elif isinstance(decision, Accuse):
            weeks.accused.append(decision.source)
            due = "ntp:ntp1:123" if self.cause(self.since_s(raw), 3600, "ntp-liar") else None
            if decision.source != due:
                self._alarm(raw, f"accused {decision.source}: {dict(decision.evidence)}")

    def _mode(self, change: ModeChange) -> None:
        at_s = self.since_s(change.raw_ns)
        if self._degraded_ns is not None:
            self.weeks.degraded_s += (change.raw_ns - self._degraded_ns) / NS_PER_S
            self._degraded_ns = None
        if change.after is Mode.DEGRADED:
            self._degraded_ns = change.raw_ns
            self.weeks.degraded[change.reason] = self.weeks.degraded.get(change.reason, 0) + 1
        if change.after is Mode.HOLDOVER:
            due = self.cause(at_s, 30, "gap", "no-fix", "reboot", "leap")
            self.weeks.holdovers.append(f"{change.reason} ({due or 'NO CAUSE'})")
            if not due:
                self._alarm(change.raw_ns, f"holdover without a cause: {change.reason}")
        elif change.after is Mode.LOCKED:
            self._alarm(change.raw_ns, f"locked: {change.reason}")
        elif change.after is Mode.ACQUIRING and change.before is not Mode.COLD:
            due = self.cause(at_s, 120, "reboot", "restart")
            if not due:
                self._alarm(change.raw_ns, f"begins anew without a cause: {change.reason}")

    def _alarm(self, raw_ns: int, told: str) -> None:
        day, second = divmod(self.since_s(raw_ns), S_PER_DAY)
        self.weeks.alarms.append(f"day {day:.0f} {second / 3600:05.2f} h: {told}")


def delayed(events: Iterator[Event], seed: int, watch: Watch) -> Iterator[Event]:
    """The same events, the way to the servers slow at times: the question took longer than the answer."""
    chance = Chance(seed, "one-sided delay")
    for event in events:
        slow = isinstance(event, NtpReply) and watch.cause(watch.since_s(event.raw_ns), 0, "delay")
        if slow and isinstance(event, NtpReply) and event.data is not None:
            late_ns = chance.between(0, 60 * NS_PER_MS)
            yield replace(event, t1_raw_ns=event.t1_raw_ns - late_ns)
        else:
            yield event


def thin_out(world: World, thin: int, watch: Watch) -> None:
    """Only every Nth second of the receiver while nothing else goes on: the others are not even made."""
    make, kinds = world.receiver.second, ("gap", "restart", "ntp-silence", "reboot", "no-fix", "leap")

    def second(second: int) -> Emission:
        at_s = second - world.start_ns // NS_PER_S
        quiet = at_s % thin and at_s > _QUIET_AFTER_S
        return Emission([], []) if quiet and not watch.cause(at_s, _QUIET_AFTER_S, *kinds) else make(second)

    world.receiver.second = second  # type: ignore[method-assign]  # of this one only


def live(
    profile: str,
    receiver: str,
    table: tuple[Happening, ...],
    *,
    seconds: int,
    start_s: int = JUNE_S,
    leap: bool = True,
    seed: int = 1,
    thin: int = 1,
) -> Weeks:
    """One host lives through its timetable."""
    began = time.monotonic()
    arguments = WorldArguments(
        profile=profile, receiver=receiver, seed=seed, duration_ns=seconds * NS_PER_S, start_s=start_s,
        attacks=tuple(one.attack for one in table if one.attack), leap_second=leap,
    )  # fmt: skip
    world = World(arguments)
    header = world.header()
    truth = Truth.of(header)
    assert truth is not None
    policy = parse_policy(str(header["policy"]))
    weeks = Weeks(profile, receiver, days=seconds / S_PER_DAY)
    watch = Watch(weeks, world, table, truth)
    restarts = [one.at_s for one in table if one.what == "restart"]
    restarts += [one.at_s + one.lasts_s for one in table if one.what == "reboot"]
    restarts.sort(reverse=True)
    bridge = Bridge(policy, BUILD_S)
    if thin > 1:
        thin_out(world, thin, watch)
    events = delayed(world.events(), seed, watch)
    for event in events:
        if restarts and watch.since_s(event.raw_ns) >= restarts[-1]:
            restarts.pop()
            kept = json.loads(json.dumps(bridge.memory()))
            weeks.reanchored += _reanchored(bridge)
            bridge = Bridge(policy, BUILD_S)
            for decision in bridge.step(Command(event.raw_ns, event.real_ns, 0, "restore", kept)):
                watch.take(decision)
        for decision in bridge.step(event):
            watch.take(decision)
    weeks.reanchored += _reanchored(bridge)
    if bridge.vetting.mode not in (Mode.VETTED, Mode.DEGRADED):
        weeks.alarms.append(f"ends {bridge.vetting.mode.value}")
    weeks.took_s = time.monotonic() - began
    return weeks


def _reanchored(bridge: Bridge) -> int:
    return len(bridge.vetting.judge.reanchored) if bridge.vetting.judge is not None else 0


def _work(job: tuple[str, str, int, int, int]) -> Weeks:
    profile, receiver, days, seed, thin = job
    leap = days > 30
    return live(
        profile, receiver, honest_weeks(days), seconds=days * S_PER_DAY, leap=leap, seed=seed, thin=thin
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--profile", nargs="+", choices=PROFILES, default=list(PROFILES))
    parser.add_argument("--receiver", choices=tuple(VOICES), default="ubx")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--thin", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    jobs = [(profile, args.receiver, args.days, args.seed, args.thin) for profile in args.profile]
    with multiprocessing.Pool(args.jobs) as workers:
        found = []
        for weeks in workers.imap(_work, jobs):
            found.append(weeks)
            print(table_of([weeks]), flush=True)
    return int(any(weeks.alarms for weeks in found))


if __name__ == "__main__":
    sys.exit(main())
