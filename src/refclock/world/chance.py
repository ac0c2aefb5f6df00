"""Seeded chance in integers: the same numbers on every Python, platform and hash seed.

Only ``Random.getrandbits`` is used: the library promises its sequence for a seed, and the derived
distributions (gauss, choice, shuffle) have changed between versions of Python before.
"""

import hashlib
import random

# The sum of four 16-bit integers has mean 4 * 65535 / 2 and standard deviation
# sqrt(4 * (65536**2 - 1) / 12) = 37837.2.
_SUM_MEAN = 131_070
_SUM_SD = 37_837


class Chance:
    """The stream of one component, derived from the world's seed and the component's name.

    Adding a component does not disturb another's stream.
    """

    __slots__ = ("_bits",)

    def __init__(self, seed: int, name: str) -> None:
        digest = hashlib.sha256(f"refclock world {seed} {name}".encode()).digest()
        self._bits = random.Random(int.from_bytes(digest, "big")).getrandbits

    def below(self, limit: int) -> int:
        """An integer from 0 to ``limit - 1``; the bias is below ``limit / 2**64``."""
        return self._bits(64) * limit >> 64

    def between(self, low: int, high: int) -> int:
        """An integer from ``low`` to ``high``, both included."""
        return low + (self._bits(64) * (high - low + 1) >> 64)

    def normal(self, deviation: int) -> int:
        """A nearly normal deviate of the given standard deviation, never beyond 3.5 of it."""
        bits = self._bits(64)
        total = (bits & 65535) + (bits >> 16 & 65535) + (bits >> 32 & 65535) + (bits >> 48)
        return (total - _SUM_MEAN) * deviation // _SUM_SD

    def happens(self, probability_ppt: int) -> bool:
        """True with a probability in parts in 10**12."""
        return self.below(10**12) < probability_ppt

    def hexadecimal(self, bits: int) -> str:
        """That many random bits (a multiple of four) in lower-case hexadecimal."""
        return f"{self._bits(bits):0{bits // 4}x}"
