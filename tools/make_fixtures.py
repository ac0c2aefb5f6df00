"""Make hw-fixtures/<vendor>/<model>/ anew from tools/fixtures.toml.

    python tools/make_fixtures.py [VENDOR/MODEL]...  captures, and the decisions that they give
    python tools/make_fixtures.py --expected         the decisions of all captures, recorded ones too

Captures made here are simulated and say so; an equal catalogue gives equal captures, byte for byte. Read the
changed decisions before committing them: they are what the tests compare with.
"""

import lzma
import sys
import tomllib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from refclock.capture import CaptureReader, CaptureWriter
from refclock.cli.replay import bridge_for, own_policy, replay
from refclock.errors import RefclockError
from refclock.jsonform import decision_line
from refclock.units import NS_PER_S, S_PER_DAY
from refclock.wire.families import is_standard
from refclock.world import World, WorldArguments, parse_duration
from refclock.world.voices.table import VOICES

ROOT = Path(__file__).resolve().parent.parent
CATALOGUE = ROOT / "tools" / "fixtures.toml"
FIXTURES = ROOT / "hw-fixtures"
SUFFIX, EXPECTED = ".jsonl.xz", ".expected.xz"
_SHORT = '\n[limits]\ndwell_cold_s = 120\n\n[loosened]\ndwell_cold_s = "a fixture is minutes long"\n'
_BUILT_BEFORE_S = 100 * S_PER_DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What happens; the fields are those of the catalogue. ``standard``: to a frequency standard, which tells
    no time, instead of a receiver that does."""

    title: str
    start: str
    duration: str
    mode: str
    attacks: list[str] = field(default_factory=list)
    leap_second: bool = False
    cold: str = ""
    standard: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One receiver: where its fixtures lie, which voice speaks for it, and what that imitates. ``modes`` are
    last modes that differ from the case's own. With ``unconfirmed`` it does not say where its leap count is
    from, and the long dwell that follows from this is shortened, or the captures would be."""

    path: str
    voice: str
    firmware: str
    modes: dict[str, str] = field(default_factory=dict)
    unconfirmed: bool = False

    def has(self, case: Case) -> bool:
        """Whether its kind can express the case."""
        return case.standard is is_standard(VOICES[self.voice].protocol)

    def world(self, name: str, case: Case) -> World:
        """The world of one case; its seed follows from the names."""
        return World(
            WorldArguments(
                receiver=self.voice,
                seed=sum(f"{self.path}/{name}".encode()),
                duration_ns=parse_duration(case.duration),
                attacks=tuple(case.attacks),
                start_s=int(datetime.fromisoformat(case.start).astimezone(UTC).timestamp()),
                servers=3,
                cold_s=parse_duration(case.cold) // NS_PER_S if case.cold else 0,
                leap_second=case.leap_second,
            )
        )

    def write(self, name: str, case: Case, made_with: str, target: Path) -> None:
        """Write one capture."""
        world = self.world(name, case)
        vendor, model = self.path.split("/")
        made = world.header()
        header = {
            **made,
            "policy": f"{made['policy']}{_SHORT if self.unconfirmed else ''}",
            "version": made_with,
            "host": {"name": "simulated", "build_utc_s": world.arguments.start_s - _BUILT_BEFORE_S},
            "expect": {"within_bound": True, "mode": self.modes.get(name, case.mode)},
            "fixture": {
                "vendor": vendor, "model": model, "firmware": self.firmware, "case": name,
                "title": case.title, "made_by": "tools/make_fixtures.py: simulated, no hardware",
            },
        }  # fmt: skip
        target.parent.mkdir(parents=True, exist_ok=True)
        with CaptureWriter(str(target), header) as capture:
            for event in world.events():
                capture.write(event)


def catalogue(path: Path = CATALOGUE) -> tuple[str, dict[str, Case], list[Model]]:
    """The version that the fixtures are made with, the cases by name, and the models."""
    told = tomllib.loads(path.read_text())
    cases = {name: Case(**one) for name, one in told["case"].items()}
    return told["made_with"], cases, [Model(**one) for one in told["model"]]


def fixtures() -> list[Path]:
    """All captures of receivers, made here or recorded by somebody."""
    return sorted(path for path in FIXTURES.glob("*/*/*.jsonl*"))


def expected_of(path: Path) -> Path:
    """Where the decisions of a capture lie."""
    return path.with_name(path.name.partition(".")[0] + EXPECTED)


def decisions(path: Path) -> str:
    """What replaying a capture gives, one decision a line."""
    with CaptureReader(str(path)) as reader:
        bridge = bridge_for(reader.header, own_policy(reader))
        return "".join(decision_line(one) + "\n" for one in replay(reader, bridge))


def write_expected(path: Path) -> None:
    """Replay a capture and keep what comes out."""
    expected_of(path).write_bytes(lzma.compress(decisions(path).encode()))


def main(words: list[str]) -> int:
    """Make all, or those named, or only the decisions."""
    made_with, cases, models = catalogue()
    known = {model.path for model in models}
    if unknown := sorted(set(words) - known - {"--expected"}):
        print(f"make_fixtures: no such model: {', '.join(unknown)}", file=sys.stderr)
        return 2
    if "--expected" in words:
        for path in fixtures():
            write_expected(path)
        return 0
    for model in models:
        if words and model.path not in words:
            continue
        for name, case in cases.items():
            if not model.has(case):
                continue
            target = FIXTURES / model.path / f"{name}{SUFFIX}"
            model.write(name, case, made_with, target)
            write_expected(target)
            size = target.stat().st_size + expected_of(target).stat().st_size
            print(f"{size:>9} {target.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except RefclockError as error:
        sys.exit(f"make_fixtures: {error}")
