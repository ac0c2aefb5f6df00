"""Make hw-fixtures/incidents/ anew from tools/museum.toml: ``python tools/make_museum.py [NAME]...``.

Every exhibit is simulated and says so; equal catalogues give equal captures, byte for byte. The README's
table is written as well. Files of exhibits that left the catalogue are named, never deleted.
"""

import sys
import tomllib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from refclock.capture import CaptureWriter
from refclock.errors import RefclockError
from refclock.units import NS_PER_S, S_PER_DAY
from refclock.world import World, WorldArguments, parse_duration

ROOT = Path(__file__).resolve().parent.parent
CATALOGUE = ROOT / "tools" / "museum.toml"
MUSEUM = ROOT / "hw-fixtures" / "incidents"
SUFFIX = ".jsonl.xz"
_BUILT_BEFORE_S = 100 * S_PER_DAY
_START = "<!-- from here on made by tools/make_museum.py -->"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """One entry of the catalogue; its fields are explained there."""

    name: str
    title: str
    date: str
    happened: str
    source: str
    required: str
    verdict: str
    start: str
    duration: str
    expect: dict[str, object]
    attacks: list[str] = field(default_factory=list)
    begins: str = "3m"
    build: str = ""
    profile: str = "kdc"
    receiver: str = "nmea"
    servers: int = 4
    leap_second: bool = False
    cold: str = ""
    note: str = ""

    def world(self, seed: int) -> World:
        """Its world."""
        return World(
            WorldArguments(
                profile=self.profile,
                receiver=self.receiver,
                seed=seed,
                duration_ns=parse_duration(self.duration),
                attacks=tuple(self.attacks),
                start_s=_posix_s(self.start),
                servers=self.servers,
                cold_s=parse_duration(self.cold) // NS_PER_S if self.cold else 0,
                leap_second=self.leap_second,
            )
        )

    def header(self, world: World, made_with: str) -> dict[str, object]:
        """The capture's first line: the world's own, with the build date of then and what must come out."""
        built_s = _posix_s(self.build) if self.build else world.arguments.start_s - _BUILT_BEFORE_S
        shown: dict[str, object] = {
            "title": self.title, "date": self.date, "what happened": self.happened, "source": self.source,
            "required": self.required, "verdict": self.verdict,
            "begins_utc_ns": world.start_ns + parse_duration(self.begins),
        }  # fmt: skip
        if self.note:
            shown["note"] = self.note
        return {
            **world.header(),
            "version": made_with,
            "host": {"name": "simulated", "build_utc_s": built_s},
            "expect": {**self.expect, "within_bound": True},
            "exhibit": shown,
        }

    def write(self, target: Path, made_with: str) -> int:
        """Write its capture; returns the size in bytes."""
        # The seed follows from the name, so that a new entry does not disturb the others.
        world = self.world(sum(self.name.encode()))
        with CaptureWriter(str(target), self.header(world, made_with)) as capture:
            for event in world.events():
                capture.write(event)
        return target.stat().st_size


def _posix_s(text: str) -> int:
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp())


def catalogue(path: Path = CATALOGUE) -> tuple[str, list[Exhibit]]:
    """The version that the museum is made with, and its exhibits."""
    told = tomllib.loads(path.read_text())
    return told["made_with"], [Exhibit(**one) for one in told["exhibit"]]


def table(exhibits: list[Exhibit]) -> str:
    """The README's rows."""
    lines = [
        "| exhibit | date | what happened | required | verdict | how it is made | remarks |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in exhibits:
        made = [f"`{attack}`" for attack in one.attacks]
        made += ["a real leap second"] * one.leap_second + [f"cold start, {one.cold} without fix"] * bool(
            one.cold
        )
        cells = [
            f"[{one.name}]({one.name}{SUFFIX})", one.date, f"{one.happened} {one.source}", one.required,
            one.verdict, " ".join(made), one.note,
        ]  # fmt: skip
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def readme(text: str, exhibits: list[Exhibit]) -> str:
    """The README with its table made anew; what people wrote above it stays."""
    kept, found, _ = text.partition(_START)
    if not found:
        raise SystemExit(f"make_museum: the README lacks the line {_START}")
    return f"{kept}{_START}\n\n{table(exhibits)}"


def main(names: list[str]) -> int:
    """Make all exhibits, or those named."""
    made_with, exhibits = catalogue()
    known = {one.name for one in exhibits}
    if unknown := sorted(set(names) - known):
        print(f"make_museum: no such exhibit: {', '.join(unknown)}", file=sys.stderr)
        return 2
    total = 0
    for one in exhibits:
        target = MUSEUM / f"{one.name}{SUFFIX}"
        if not names or one.name in names:
            size = one.write(target, made_with)
            print(f"{size:>9} {target.relative_to(ROOT)}")
        total += target.stat().st_size if target.exists() else 0
    path = MUSEUM / "README.md"
    path.write_text(readme(path.read_text(), exhibits))
    print(f"{total:>9} in all")
    for stray in sorted(MUSEUM.glob(f"*{SUFFIX}")):
        if stray.name.removesuffix(SUFFIX) not in known:
            print(f"make_museum: {stray.name} is not in the catalogue; remove it", file=sys.stderr)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except RefclockError as error:
        sys.exit(f"make_museum: {error}")
