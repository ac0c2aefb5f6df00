"""Plans: what an attacker does, move by move; drawn at random, and changed a little to get a better one."""

import json
import math
import random
from dataclasses import asdict, dataclass, replace
from typing import Final

from search.clocks import KINDS, PATHS
from search.setting import Setting

NS_PER_MS: Final = 1_000_000

# What each move is drawn with: seconds it lasts (least, most), amounts a (least, most; either sign) and b.
# Amounts are ns, but for ramp (ppt), label (s), date (weeks), follow and hug (parts per 10**12).
MOVES: Final[dict[str, tuple[tuple[int, int], tuple[int, int], tuple[int, int]]]] = {
    "wait": ((10, 2_600_000), (0, 0), (0, 0)),
    "step": ((2, 20_000), (1_000, 2 * 10**9), (0, 0)),
    "ramp": ((60, 2_600_000), (10_000, 3 * 10**8), (0, 0)),
    "saw": ((60, 200_000), (10_000, 10**8), (4, 4_000)),
    "gap": ((9, 864_000), (0, 0), (0, 0)),
    "gap-jump": ((9, 864_000), (10_000, 10**9), (0, 0)),
    "freeze": ((1, 1_000), (0, 0), (0, 0)),
    "label": ((1, 2_000), (1, 3), (0, 0)),
    "date": ((1, 2_000), (1, 2_048), (0, 0)),
    "probe": ((1, 1_200), (100_000, 10**10), (0, 0)),
    "hug": ((5, 2_600_000), (1, 1), (700_000_000_000, 1_000_000_000_000)),
    "ntp-ok": ((0, 0), (0, 0), (0, 0)),
    "ntp-silent": ((0, 0), (0, 0), (0, 0)),
    "ntp-cut": ((0, 0), (0, 0), (0, 0)),
    "ntp-late": ((0, 0), (NS_PER_MS, 490 * NS_PER_MS), (0, 0)),
    "lie": ((0, 0), (1_000, 10**9), (0, 0)),
    "lie-edge": ((0, 0), (1_000, 10**9), (0, 0)),
    "follow": ((0, 0), (0, 0), (0, 1_200_000_000_000)),
    "rtc": ((0, 0), (NS_PER_MS, 10**10), (0, 0)),
    "restart": ((1, 100_000), (0, 0), (0, 0)),
    "crash": ((1, 100_000), (0, 0), (0, 0)),
    "reboot": ((10, 100_000), (0, 0), (0, 0)),
    "clocksource": ((0, 0), (0, 0), (0, 0)),
    "rearm": ((1, 4_000), (0, 0), (0, 0)),
    "cesium": ((0, 0), (1, 1), (0, 0)),
    "home": ((0, 0), (0, 0), (0, 0)),
}
# Moves that only some runs may make, because what is promised is another then.
OPERATOR, COUNTERFEIT = ("rearm",), ("rtc",)
_LIES = ("lie", "lie-edge", "follow")
_OTHERS = tuple(name for name in MOVES if name not in (*OPERATOR, *COUNTERFEIT, *_LIES))
# Moves that do not lock at once are drawn more often: a locked host shows nothing new.
_QUIET = ("hug", "hug", "wait", "gap", "gap-jump", "ramp")
_WIDE = """mask1_offset_us = 900000
mask1_rate_ppt = 9999999999
mask2_offset_us = 1000000
mask2_rate_ppt = 9000000000
quorum_error_us = 2000000
[loosened]
mask1_offset_us = "x"
mask1_rate_ppt = "x"
mask2_offset_us = "x"
mask2_rate_ppt = "x"
quorum_error_us = "x"
"""
_PATIENT = """gap_budget_s = 86400
missing_after_s = 60
[loosened]
gap_budget_s = "x"
missing_after_s = "x"
"""
_TIGHT = """mask1_offset_us = 40
mask2_offset_us = 200
raw_stability_ppt = 100000
gap_budget_s = 60
[loosened]
raw_stability_ppt = "x"
"""


@dataclass(frozen=True, slots=True)
class Move:
    """One move; ``a`` and ``b`` as its row in MOVES says."""

    name: str
    seconds: int = 0
    a: int = 0
    b: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """A run: what it begins with, and the moves."""

    setting: Setting
    moves: tuple[Move, ...]

    def text(self) -> str:
        """One line of JSON that ``bench/adversary.py --play`` takes."""
        moves = [[move.name, move.seconds, move.a, move.b] for move in self.moves]
        return json.dumps({**asdict(self.setting), "moves": moves})

    @classmethod
    def parse(cls, text: str) -> "Plan":
        """The plan in such a line."""
        told = json.loads(text)
        moves = tuple(Move(*one) for one in told.pop("moves"))
        return cls(Setting(**told), moves)

    @property
    def account(self) -> str:
        """Under which promise the run is counted."""
        names = {move.name for move in self.moves}
        kinds = [] if self.setting.honest else ["collusion"]
        kinds += ["loosened"] * bool(self.setting.limits)
        kinds += ["rtc"] * bool(names & set(COUNTERFEIT)) + ["operator"] * bool(names & set(OPERATOR))
        return "+".join(kinds) or "honest"


def _log(chance: random.Random, low: int, high: int) -> int:
    """Log-uniform between two positive integers; 0 for an empty range."""
    if high <= 0:
        return 0
    low = max(low, 1)
    return min(high, round(math.exp(chance.uniform(math.log(low), math.log(high)))))


def draw_move(chance: random.Random, names: tuple[str, ...]) -> Move:
    """Any move of those named."""
    name = chance.choice(names)
    (least, most), (low, high), (b_low, b_high) = MOVES[name]
    a = _log(chance, low, high) * chance.choice((-1, 1))
    b = chance.randint(b_low, b_high) if name in ("hug", "follow") else _log(chance, b_low, b_high)
    return Move(name, _log(chance, least, most) if most else 0, a, b)


def names_for(setting: Setting, operator: bool, counterfeit: bool) -> tuple[str, ...]:
    """The moves that a run may make."""
    names = _OTHERS + _QUIET * 2
    names += _LIES * bool(setting.liars) + OPERATOR * operator + COUNTERFEIT * counterfeit
    return names


def draw_setting(chance: random.Random, profile: str) -> Setting:
    """What a run begins with."""
    servers = chance.choice((3, 4, 4, 5))
    most = servers if chance.random() < 0.2 else (servers - 1) // 2
    return Setting(
        profile=profile,
        seed=chance.getrandbits(32),
        servers=servers,
        liars=chance.randint(0, most),
        path=chance.choice(tuple(PATHS)),
        oscillator=chance.choice(KINDS),
        rate_ppt=chance.randint(-20_000_000, 20_000_000),
        enrolled_unc_ppt=0 if chance.random() < 0.03 else chance.choice((1_000, 60_000, 400_000)),
        rtc=chance.random() < 0.9,
        poll_s=chance.choice((64, 256, 900)),
        limits=_limits(chance, profile),
        coarse=chance.random() < 0.85,
        leap_in_s=chance.randint(2_000, 90_000) if chance.random() < 0.05 else 0,
    )


def _limits(chance: random.Random, profile: str) -> str:
    text = chance.choice((_WIDE, _PATIENT, _TIGHT)) if chance.random() < 0.06 else ""
    if profile == "kdc-cesium":
        text = text.replace("= 200\n", "= 8\n")
    if profile == "appserver":
        text = text.replace("40\n", "4000\n").replace("= 200\n", "= 20000\n")
    return text


def draw(chance: random.Random, profile: str) -> Plan:
    """A new plan."""
    setting = draw_setting(chance, profile)
    names = names_for(setting, chance.random() < 0.08, chance.random() < 0.08)
    return Plan(setting, tuple(draw_move(chance, names) for _ in range(chance.randint(2, 9))))


def mutate(chance: random.Random, plan: Plan, other: Plan) -> Plan:
    """A plan changed in one to three places, or crossed with another of the same account."""
    setting, moves = plan.setting, list(plan.moves)
    have = {move.name for move in moves}
    names = names_for(setting, bool(have & set(OPERATOR)), bool(have & set(COUNTERFEIT)))
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(moves)) if moves else 0
        what = chance.random()
        if what < 0.4 and moves:
            moves[at] = _nudge(chance, moves[at])
        elif what < 0.6 and len(moves) < 14:
            moves.insert(at, draw_move(chance, names))
        elif what < 0.7 and len(moves) > 1:
            del moves[at]
        elif what < 0.8 and moves:
            moves[at] = draw_move(chance, names)
        elif what < 0.9 and other.account == plan.account and other.setting.liars == setting.liars:
            moves = moves[:at] + list(other.moves[len(other.moves) // 2 :])
        else:
            setting = replace(setting, seed=chance.getrandbits(32), oscillator=chance.choice(KINDS))
    return Plan(setting, tuple(moves[:14]) or plan.moves)


def _nudge(chance: random.Random, move: Move) -> Move:
    factor = 2 ** chance.gauss(0, 1)
    (least, most), (low, high), (b_low, b_high) = MOVES[move.name]
    sign = -1 if move.a < 0 else 1
    return Move(
        move.name,
        min(max(round(move.seconds * factor), least), most),
        sign * min(max(round(abs(move.a) * factor), low), high) * (-1 if chance.random() < 0.1 else 1),
        min(max(round(move.b * 1.1 ** chance.gauss(0, 1)), b_low), b_high),
    )
