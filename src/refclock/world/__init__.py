"""A seeded simulator: one KDC host, its receiver, servers and attackers, as events or, live, as bytes."""

from refclock.world.arguments import WorldArguments
from refclock.world.attack import Attack
from refclock.world.attacks import attack_table, parse_attack
from refclock.world.chance import Chance
from refclock.world.moment import Moment
from refclock.world.quantities import parse_duration
from refclock.world.receiver import Emission, Receiver
from refclock.world.scenario import World

__all__ = [
    "Attack",
    "Chance",
    "Emission",
    "Moment",
    "Receiver",
    "World",
    "WorldArguments",
    "attack_table",
    "parse_attack",
    "parse_duration",
]
