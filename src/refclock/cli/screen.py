"""How the demo looks: a calm screen on a terminal, one line a second in a pipe."""

import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from refclock.core.rules.reasons import REASONS
from refclock.stage.chronyd import Heard
from refclock.stage.ledger import milliseconds
from refclock.stage.verdict import span, waits
from refclock.units import NS_PER_S, printable, show_ns

WIDTH = 80
_LABEL = 9
_LONGEST = 300
_OLD_S = 3
_HEIGHT = 23  # a terminal's 24 lines less the one that the cursor is in

Fields = Mapping[str, object]
# A line is pieces of text with the styles that rich knows them by.
Line = list[tuple[str, str]]

_MODES = {
    "vetted": "bold green", "degraded": "bold yellow", "acquiring": "yellow", "holdover": "bold magenta",
    "locked": "bold red", "cold": "dim",
}  # fmt: skip
_DIM, _BAD, _GOOD = "dim", "bold red", "green"


@dataclass(slots=True)
class Scene:
    """All that is shown of one moment. ``status`` is the daemon's own document ({} while it is silent)."""

    title: str
    notes: Sequence[str]
    elapsed_s: int
    total_s: int
    injected_ns: int
    attack: str = ""
    under_attack: bool = False
    status: Fields = field(default_factory=dict)
    latest: Fields = field(default_factory=dict)
    accused: str = ""
    heard: Heard | None = None
    best_reach: int = 0
    story: Sequence[tuple[int, str]] = ()


class Plain:
    """One line a second, and one for each event, as they come: no colours, nothing is overwritten."""

    def __init__(self) -> None:
        self._told = 0
        self._last_s = -1

    def __enter__(self) -> Self:
        self.say("Each line: second, mode, last decision, bound, what chrony measured (its reach).\n")
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def say(self, text: str) -> None:
        """A line of text."""
        print(text, flush=True)

    def show(self, scene: Scene) -> None:
        """What is new."""
        for at_s, text in scene.story[self._told :]:
            self.say(
                textwrap.fill(
                    _cut(text, _LONGEST),
                    WIDTH,
                    initial_indent=f"{at_s:>4} s  ** ",
                    subsequent_indent=" " * 11,
                )
            )
        self._told = len(scene.story)
        if scene.elapsed_s != self._last_s:
            self._last_s = scene.elapsed_s
            self.say(second_line(scene))


class Screen:
    """A picture of a terminal's width that is drawn anew at each look; the last one stays."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console(highlight=False)
        self._unicode = self._console.encoding.lower().startswith("utf")
        # No refresh of its own: rich's thread would compete with the emulated world for the interpreter.
        self._live = Live(console=self._console, auto_refresh=False, vertical_overflow="crop")

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    @property
    def dumb(self) -> bool:
        """True for a terminal on which nothing can be drawn anew."""
        return self._console.is_dumb_terminal

    def say(self, text: str) -> None:
        """A line above the picture."""
        self._console.print(text, markup=False, soft_wrap=True)

    def show(self, scene: Scene) -> None:
        """Draw one moment."""
        from rich.text import Text

        picture = Text(no_wrap=True, overflow="ellipsis")
        for number, line in enumerate(frame(scene, "─" if self._unicode else "-")):
            picture.append("\n" if number else "")
            for text, style in line:
                picture.append(text, style)
        self._live.update(picture, refresh=True)


def suitable() -> Plain | Screen:
    """A screen where standard output is a terminal that can draw one and rich is installed, else lines."""
    if not sys.stdout.isatty():
        return Plain()
    try:
        screen = Screen()
    except ImportError:
        print("(for a live screen: pip install 'refclock[ui]')", file=sys.stderr)
        return Plain()
    return Plain() if screen.dumb else screen


# ---- the picture -------------------------------------------------------------------------------------


def frame(scene: Scene, dash: str = "-") -> list[Line]:
    """The picture of one moment: 23 lines of at most 80 columns."""
    clock = f"{min(scene.elapsed_s, scene.total_s)} of {scene.total_s} s"
    lines: list[Line] = [
        [(f"{_cut(scene.title, WIDTH - len(clock) - 1):<{WIDTH - len(clock)}}{clock}", "bold")]
    ]
    lines += [[(_cut(note), _DIM)] for note in scene.notes]
    lines.append([(dash * WIDTH, _DIM)])
    mode, reason = str(scene.status.get("mode", "")), _text(scene.status, "mode_reason")
    since = _integer(scene.status, "mode_since_ns")
    for_s = "" if since is None else f" for {since // NS_PER_S} s"
    why = f"{for_s}: {reason}{_dwell(scene.status)}" if scene.status else "the daemon gives no answer"
    lines.append(_row("mode", (mode, _MODES.get(mode, "")), (why, "")))
    lines.append(_row("offset", (_offset(scene), "")))
    lines.append(_row("bound", (_bound(scene.status), "")))
    lines.append(_row("attack", (scene.attack, _BAD if scene.under_attack else "")))
    lines += [*_witnesses(scene.status), []]
    lines += _second(scene.latest)
    lines.append(_row("accused", (scene.accused or "nobody", _BAD if scene.accused else "")))
    lines.append(_row("chrony", (chrony(scene.heard, scene.best_reach), "")))
    lines.append([(dash * WIDTH, _DIM)])
    for at_s, text in list(scene.story)[len(lines) - _HEIGHT :]:
        lines.append([(_cut(f"{at_s:>5} s  {text}"), _DIM)])
    return lines


def second_line(scene: Scene) -> str:
    """One moment as one line of at most 80 columns."""
    mode = _text(scene.status, "mode")
    bound = _integer(scene.status, "bound_ns")
    known = "" if bound is None else f"within {span(bound)}"
    latest = scene.latest
    did = "published" if latest.get("d") == "publish" else "nothing heard yet"
    if latest.get("d") == "withhold":
        reason = _text(latest, "reason")
        did = f"{'waits:' if waits(reason) else 'refused'} {reason}"
    heard = scene.heard
    told = "nothing"
    if heard is not None and heard.reach:
        told = f"{milliseconds(heard.last_ns)} ({heard.reach:o})"
    return _cut(f"{scene.elapsed_s:>4} s  {mode:<9} {did:<20} {known:<14} chrony {told}")


def chrony(heard: Heard | None, best_reach: int) -> str:
    """chronyc's view of the refclock, in words."""
    if heard is None:
        return "chronyc gets no answer"
    if not heard.reach:
        return "reach 0: it hears nothing rather than something wrong" if best_reach else "reach 0: waits"
    return (
        f"reach {heard.reach:o}, UTC {milliseconds(heard.offset_ns)} from this clock, "
        f"std dev {span(heard.deviation_ns)}"
    )


def _offset(scene: Scene) -> str:
    publish = scene.status.get("last_publish")
    utc, system = (
        (_integer(publish, "utc"), _integer(publish, "sys")) if isinstance(publish, dict) else (None, None)
    )
    injected = f"(injected {milliseconds(scene.injected_ns)})"
    if utc is None or system is None:
        return f"nothing published yet {injected}"
    as_of, raw = scene.status.get("as_of"), _integer(publish, "raw") if isinstance(publish, dict) else None
    now = _integer(as_of, "raw_ns") if isinstance(as_of, dict) else None
    age_s = 0 if now is None or raw is None else (now - raw) // NS_PER_S
    ago = f", {age_s} s ago" if age_s >= _OLD_S else ""
    return f"UTC is {milliseconds(utc - system)} from this clock{ago} {injected}"


def _bound(status: Fields) -> str:
    bound = _integer(status, "bound_ns")
    if bound is None:
        return "none before the first vetted second"
    feeding = status.get("mode") in ("vetted", "degraded")
    return f"UTC is known to {span(bound)}" + ("" if feeding else ", and that grows: nothing is fed")


def _dwell(status: Fields) -> str:
    dwell = status.get("dwell")
    if not isinstance(dwell, dict):
        return ""
    elapsed, needed = _integer(dwell, "elapsed_ns"), _integer(dwell, "needed_ns")
    if elapsed is None or needed is None:
        return ""
    return f", agreement for {elapsed // NS_PER_S} of {needed // NS_PER_S} s"


def _witnesses(status: Fields) -> list[Line]:
    """Each witness: its interval about the vetted time, how old its word is, and what it says."""
    lines: list[Line] = [[(f"{'witness':<14} {'interval about UTC as vetted':<30} {'age':>5}  says", _DIM)]]
    rows = status.get("witnesses")
    server = 0
    for row in rows if isinstance(rows, list) else []:
        name = _text(row, "name")
        if name.startswith("ntp:"):
            server += 1
            name = f"  server {server}"
        name = "ntp quorum" if name == "ntp" else name
        low, high, age = (_integer(row, key) for key in ("lo_ns", "hi_ns", "age_ns"))
        interval = "-" if low is None or high is None else f"{show_ns(low):>9} .. {show_ns(high)}"
        old = "-" if age is None else f"{age // NS_PER_S} s"
        state, detail = _text(row, "state"), _text(row, "detail")
        says = state if detail in ("-", state) else f"{state}, {detail}"
        style = _GOOD if state == "agrees" else _DIM if state == "no opinion" else _BAD
        lines.append([(f"{name:<14} {interval:<30} {old:>5}  ", ""), (_cut(says, WIDTH - 53), style)])
    return lines


def _second(latest: Fields) -> list[Line]:
    """The last decision, with its reason in words; always two lines, so that nothing below it jumps."""
    kind = latest.get("d")
    bound, value, limit = (_integer(latest, key) for key in ("bound", "value", "limit"))
    if kind == "publish":
        return [_row("decision", (f"published, good to {span(bound or 0)}", _GOOD)), []]
    if kind != "withhold":
        return [_row("decision", ("none yet", _DIM)), []]
    reason = _text(latest, "reason")
    known = REASONS.get(reason)
    numbers = ""
    if known is not None and known.unit == "ns" and value is not None and limit is not None:
        numbers = f" (found {show_ns(value)}, limit {span(limit)})"
    elif known is not None and known.unit:
        numbers = f" (found {value}, limit {limit} {known.unit})"
    refused = (f"refused, {reason}{numbers}", _BAD)
    return [
        _row("decision", (f"not yet, {reason}{numbers}", "yellow") if waits(reason) else refused),
        _row("", (known.words if known else "", "")),
    ]


def _row(label: str, *pieces: tuple[str, str]) -> Line:
    line: Line = [(f"{label:<{_LABEL}}", _DIM)]
    left = WIDTH - _LABEL
    for text, style in pieces:
        shown = _cut(text, left)
        line.append((shown, style))
        left -= len(shown)
    return line


def _cut(text: str, width: int = WIDTH) -> str:
    """Text that fits and cannot drive a terminal."""
    clean = printable(text)
    return clean if len(clean) <= width else f"{clean[: max(0, width - 3)]}..."[:width]


def _integer(fields: Fields, key: str) -> int | None:
    value = fields.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(fields: Fields, key: str) -> str:
    value = fields.get(key)
    return str(value) if value not in (None, "") else "-"
