"""Bytes of every voice in the table of the simulated world, second by second, for fuzzing and for benches."""

from collections.abc import Iterator

from refclock.units import NS_PER_S
from refclock.world.chance import Chance
from refclock.world.receiver import Receiver

START_S = 1_804_636_800  # 2027-03-10T00:00:00Z


def seconds(voice: str, count: int, seed: int = 1) -> Iterator[bytes]:
    """What a receiver with this voice sends in each of ``count`` seconds; where it must be asked, it is."""
    receiver = Receiver(voice, Chance(seed, "receiver"), start_s=START_S)
    for second in range(START_S, START_S + count):
        said = b"".join(data for _, data in receiver.second(second).chunks)
        for after_ns, asked in receiver.polls:
            said += b"".join(data for _, data in receiver.hears(second * NS_PER_S + after_ns, asked))
        yield said
