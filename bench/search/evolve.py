"""Evolution: half of the runs are new, the others are the best ones changed a little."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from search.checks import Worst
from search.plan import draw, mutate
from search.play import Outcome, play

_POOL = 20
_NEW = 0.4


@dataclass
class Tally:
    """What one worker found, by (profile, account)."""

    runs: dict[tuple[str, str], int] = field(default_factory=dict)
    fed: dict[tuple[str, str], int] = field(default_factory=dict)
    seconds: dict[tuple[str, str], int] = field(default_factory=dict)
    worst: dict[tuple[str, str], Outcome] = field(default_factory=dict)
    tightest: dict[tuple[str, str], Outcome] = field(default_factory=dict)
    points: dict[tuple[str, str], list[Worst]] = field(default_factory=dict)
    violations: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count one run."""
        key = outcome.plan.setting.profile, outcome.plan.account
        self.runs[key] = self.runs.get(key, 0) + 1
        self.fed[key] = self.fed.get(key, 0) + outcome.fed
        self.seconds[key] = self.seconds.get(key, 0) + outcome.published
        for index, best in enumerate((self.worst, self.tightest)):
            if key not in best or outcome.fitness[index] > best[key].fitness[index]:
                best[key] = outcome
        # Points for the figure: each run's worst, thinned as they become many.
        points = self.points.setdefault(key, [])
        if outcome.fed and (len(points) < 1500 or outcome.plan.setting.seed % 64 == 0):
            points.append(outcome.worst)
        if outcome.violations:
            self.violations.append(outcome)

    def merge(self, other: "Tally") -> None:
        """Take in what another worker found."""
        for mine, its in ((self.runs, other.runs), (self.fed, other.fed), (self.seconds, other.seconds)):
            for key, count in its.items():
                mine[key] = mine.get(key, 0) + count
        for index, (best, its_best) in enumerate(
            ((self.worst, other.worst), (self.tightest, other.tightest))
        ):
            for key, outcome in its_best.items():
                if key not in best or outcome.fitness[index] > best[key].fitness[index]:
                    best[key] = outcome
        for key, points in other.points.items():
            self.points.setdefault(key, []).extend(points)
        self.violations += other.violations


class Pool:
    """The best plans of one account, by one measure."""

    def __init__(self, measure: int) -> None:
        self._measure = measure
        self._best: list[tuple[int, Outcome]] = []

    def add(self, outcome: Outcome) -> None:
        """Keep it if it is among the best; one of each fitness, or copies would crowd the pool."""
        value = outcome.fitness[self._measure]
        if value and all(value != have for have, _ in self._best):
            self._best.append((value, outcome))
            self._best.sort(key=lambda one: -one[0])
            del self._best[_POOL:]

    def pick(self, chance: random.Random) -> Outcome | None:
        """One of them, the better ones sooner."""
        if not self._best:
            return None
        return self._best[min(chance.randrange(len(self._best)), chance.randrange(len(self._best)))][1]


def search(profiles: tuple[str, ...], seed: int, runs: int) -> Iterator[Outcome]:
    """So many runs, one after the other; the caller may stop whenever it likes."""
    chance = random.Random(seed)
    pools: dict[tuple[str, str, int], Pool] = {}
    for _ in range(runs):
        profile = chance.choice(profiles)
        parent = other = None
        if chance.random() >= _NEW:
            mine = [pool for key, pool in pools.items() if key[0] == profile]
            parent = chance.choice(mine).pick(chance) if mine else None
            other = chance.choice(mine).pick(chance) if mine else None
        if parent is None or other is None:
            plan = draw(chance, profile)
        else:
            plan = mutate(chance, parent.plan, other.plan)
        outcome = play(plan)
        for measure in (0, 1):
            key = profile, plan.account, measure
            pools.setdefault(key, Pool(measure)).add(outcome)
        yield outcome
