"""``refclock demo``: the whole chain at work on this machine, and an attack on it, before one's eyes."""

import argparse
import shutil
import tempfile
import textwrap
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from refclock.cli.configfile import whole_seconds
from refclock.cli.screen import WIDTH, Plain, Scene, Screen, suitable
from refclock.cli.status import ask
from refclock.errors import ConfigError, PortError, RefclockError
from refclock.policy import PROFILES
from refclock.runtime import StateFile
from refclock.stage.chronyd import ChronydX, programs
from refclock.stage.daemon import CAPTURE, CONFIG, DECISIONS, LOG, STATE, Daemon, verify_replay
from refclock.stage.end import ignore_signals, orderly_end
from refclock.stage.ledger import Ledger, Tail
from refclock.stage.play import Stage
from refclock.stage.site import claim_unit, enrolment, policy_text, remove_segment, shortened
from refclock.stage.verdict import verdict
from refclock.units import NS_PER_S, show_ns
from refclock.world.attack import Attack
from refclock.world.attacks import DEEDS, parse_attack
from refclock.world.quantities import Kind, parse_quantity
from refclock.world.voices.table import CONFIRMING

# Where the table's amount shows nothing within a minute.
_LIVE_AMOUNTS = {
    "ramp": "500ppm", "saw": "5ms,20s", "gap": "12s", "gap-jump": "12s,+50ms", "replay": "20s",
    "collude": "500ppm", "toggle": "+13700ns,10s",
}  # fmt: skip
# Only UBX says such a thing (spoofing: TSIP version 1, too); and what shows only in a leap second.
_NEEDS_UBX, _NEEDS_LEAP = ("spoof-flag", "gps-week"), ("leap-59",)

EXAMPLE = (
    "refclock demo --attack pps-extra --attack ntp-liar@20s+20s --receiver ubx"
    "\n\nEverything is emulated on this machine but the daemon and chronyd -x; no clock is set. Attacks are"
    "\nwritten NAME[:AMOUNT][@TIME[+DURATION]]; without TIME they begin at 60 % of the run:\n  "
    + "\n  ".join(f"{deed.name:<13}{deed.meaning}" for deed in DEEDS if deed.host is None)
)
_SHORTEST_S, _LONGEST_S = 20, 3600
_SHORTEST_DWELL_S, _LONGEST_DWELL_S = 5, 10
_MOST_OFFSET_NS = 3600 * NS_PER_S
_START_S = 10.0
# A socket's path ends at 107 bytes (unix(7)); chronyc makes the longest, .../chrony/chronyc.1234567.sock.
_LONGEST_PLACE = 50
# The children end by themselves so much later, should this process be killed without mercy.
_GRACE_S = 60
_LOOKS_PER_S = 2
_KEPT = (CONFIG, CAPTURE, DECISIONS, LOG, "chrony.conf", STATE, "chronyd.log")


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument(
        "--seconds", type=whole_seconds, default=75, metavar="N", help="how long it runs (75)"
    )
    parser.add_argument(
        "--attack", action="append", default=[], metavar="ATTACK",
        help="see below; repeatable; none for peace (step:+100ms)",
    )  # fmt: skip
    parser.add_argument("--receiver", choices=CONFIRMING, default="nmea", help="what it speaks (nmea)")
    parser.add_argument("--profile", choices=PROFILES, default="kdc", help="the host's profile (kdc)")
    parser.add_argument(
        "--offset",
        default="+3ms",
        metavar="TIME",
        help="true time less this host's clock (+3ms; write --offset=-3ms)",
    )
    parser.add_argument("--keep", metavar="DIR", help="leave configuration, capture and logs in DIR")


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for, checked. ``attacks`` are complete texts; ``dwell_s`` is the shortened dwell."""

    seconds: int
    attacks: tuple[str, ...]
    receiver: str
    profile: str
    offset_ns: int
    dwell_s: int
    keep: Path | None


def plan(args: argparse.Namespace) -> Plan:
    """Check the arguments. Raises ConfigError."""
    seconds: int = args.seconds
    if not _SHORTEST_S <= seconds <= _LONGEST_S:
        raise ConfigError(f"--seconds: expected {_SHORTEST_S} to {_LONGEST_S}, found {seconds}.")
    try:
        offset = parse_quantity(args.offset)
    except ConfigError as error:
        raise ConfigError(f"--offset {error}") from None
    if offset.kind is not Kind.TIME or abs(offset.value) > _MOST_OFFSET_NS:
        raise ConfigError(
            f"--offset {args.offset!r}: expected up to an hour either way, such as +3ms or -2s."
        )
    wanted = [text for text in args.attack or ["step:+100ms"] if text != "none"]
    attacks = tuple(_attack(text, seconds, args.receiver) for text in wanted)
    keep = Path(args.keep) if args.keep else None
    if keep is not None and keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise ConfigError(f"--keep {keep}: exists and is no empty directory; name a new one.")
    dwell_s = min(max(seconds // 7, _SHORTEST_DWELL_S), _LONGEST_DWELL_S)
    return Plan(seconds, attacks, args.receiver, args.profile, offset.value, dwell_s, keep)


def _attack(text: str, seconds: int, personality: str) -> str:
    """An attack with its amount and time filled in. Raises ConfigError for one that cannot be shown live."""
    what, at, when = text.partition("@")
    if what in _LIVE_AMOUNTS:
        what = f"{what}:{_LIVE_AMOUNTS[what]}"
    full = f"{what}@{when}" if at else f"{what}@{seconds * 3 // 5}s"
    attack = parse_attack(full, 0, NS_PER_S, 1)
    name = attack.deed.name
    if attack.deed.host is not None:
        raise ConfigError(
            f"--attack {text}: {name} happens to the host itself, which a demo leaves alone; "
            f"see it with refclock simulate --attack {what}."
        )
    if name in _NEEDS_UBX and personality not in ("ubx", "mixed"):
        raise ConfigError(f"--attack {text}: {personality} has no words for it; add --receiver ubx.")
    if name in _NEEDS_LEAP:
        raise ConfigError(
            f"--attack {text}: {name} shows in a leap second only, and none comes soon; "
            f"see it with refclock simulate --leap-second --attack {what}."
        )
    if attack.start_ns >= seconds * NS_PER_S:
        raise ConfigError(f"--attack {text}: begins after the end; the run lasts {seconds} s.")
    return full


def main(args: argparse.Namespace) -> int:
    """Run the show; 0 when its verdict is good, 1 when not."""
    asked = plan(args)
    programs()  # says what is missing before anything is shown
    with orderly_end(), ExitStack() as ends:
        directory = Path(tempfile.mkdtemp(prefix="refclock-demo-", dir=_place()))
        ends.callback(shutil.rmtree, directory, ignore_errors=True)
        if asked.keep is not None:
            asked.keep.mkdir(parents=True, exist_ok=True)
            ends.callback(_save, directory, asked.keep)
        unit = claim_unit()
        ends.callback(remove_segment, unit)
        try:
            stage = ends.enter_context(Stage(directory, asked.receiver, offset_ns=asked.offset_ns))
        except OSError as error:
            raise RefclockError(f"the emulated world cannot be set up: {error}.") from None
        # From here on a second signal must not interrupt the clearing away.
        ends.callback(ignore_signals)
        show = _Show(asked, stage, directory, unit)
        return show.run(suitable())


def _place() -> str:
    """Where temporary files go. Raises RefclockError where no Unix socket would fit beneath."""
    place = tempfile.gettempdir()
    if len(place) > _LONGEST_PLACE:
        raise RefclockError(f"{place}: too long a path for Unix sockets beneath it; set TMPDIR=/tmp.")
    return place


class _Show:
    """One run, from the first line to the verdict."""

    def __init__(self, asked: Plan, stage: Stage, directory: Path, unit: int) -> None:
        self._asked, self._stage, self._directory, self._unit = asked, stage, directory, unit
        self._attacks: list[Attack] = [stage.attack(text, stage.started_ns) for text in asked.attacks]
        self._ledger = Ledger(stage.truth, self._attacks)
        self._tail = Tail(directory / DECISIONS)
        self._socket = f"{directory}/status.sock"
        self._failed = ""
        state = StateFile(str(directory / STATE), lambda _priority, text: None)
        if not state.save(enrolment(stage)):
            raise RefclockError(f"{directory}: cannot be written; see TMPDIR.")
        (directory / CONFIG).write_text(
            policy_text(
                stage, directory, profile=asked.profile, personality=asked.receiver, unit=unit,
                dwell_s=asked.dwell_s,
            )
        )  # fmt: skip

    def run(self, display: Plain | Screen) -> int:
        """Show it, and judge it."""
        for line in self._opening():
            display.say(line)
        with ExitStack() as ends:
            seconds = self._asked.seconds + _GRACE_S
            daemon = ends.enter_context(Daemon(self._directory, seconds))
            # The daemon first: it makes the segment its own, as on a real host.
            self._await_daemon(daemon)
            chronyd = ends.enter_context(ChronydX(self._directory, self._unit, seconds))
            ends.enter_context(display)
            ends.callback(ignore_signals)
            while self._elapsed_ns() < self._asked.seconds * NS_PER_S and not self._failed:
                self._look(display, chronyd, daemon)
        self._read_decisions()
        unverified = verify_replay(self._directory)
        good, lines = verdict(
            self._ledger, self._stage.started_ns, self._asked.dwell_s, self._failed, unverified
        )
        print("\n".join(["", *lines]), flush=True)
        return 0 if good else 1

    def _opening(self) -> list[str]:
        asked = self._asked
        lines = [
            f"refclock demo: an emulated receiver ({asked.receiver}, with its pulse), three NTP servers",
            f"and an RTC; the real daemon (profile {asked.profile}); a real chronyd -x. No clock is set.",
            f"True time is {show_ns(asked.offset_ns)} from this host's clock, and chrony should see that.",
        ]
        reasons: dict[str, list[str]] = {}
        for key, (default, chosen, reason) in shortened(asked.profile, asked.dwell_s).items():
            reasons.setdefault(reason, []).append(f"{key} {default} -> {chosen}")
        for reason, keys in reasons.items():
            lines += textwrap.wrap(f"Loosened, here only: {', '.join(keys)} ({reason}).", WIDTH)
        for attack in self._attacks:
            lines.append(f"Attack: {attack.text} ({attack.deed.meaning}).")
        return [*lines, ""]

    def _await_daemon(self, daemon: Daemon) -> None:
        end = time.monotonic() + _START_S
        while time.monotonic() < end and not daemon.ended:
            with suppress(PortError):
                ask(self._socket)
                return
            time.sleep(0.05)
        raise RefclockError(f"the daemon does not start: {daemon.last_words()}")

    def _elapsed_ns(self) -> int:
        return self._stage.truth.now_ns() - self._stage.started_ns

    def _read_decisions(self) -> None:
        for decision in self._tail.read():
            self._ledger.take(decision)

    def _look(self, display: Plain | Screen, chronyd: ChronydX, daemon: Daemon) -> None:
        """One look at everybody, shown; returns when it is time for the next."""
        per_s = 1 if isinstance(display, Plain) else _LOOKS_PER_S
        self._read_decisions()
        heard = chronyd.ask()
        self._ledger.hear(heard)
        status: dict[str, object] = {}
        with suppress(PortError):
            status = ask(self._socket)
        if self._stage.error is not None:
            self._failed = f"the emulated world broke down: {self._stage.error!r}"
        elif daemon.ended:
            self._failed = f"the daemon ended: {daemon.last_words()}"
        ledger, asked, elapsed_ns = self._ledger, self._asked, self._elapsed_ns()
        display.show(
            Scene(
                title=f"refclock demo: {asked.receiver} receiver -> refclock ({asked.profile}) -> chronyd -x",
                notes=[self._note()], elapsed_s=elapsed_ns // NS_PER_S, total_s=asked.seconds,
                injected_ns=self._stage.truth.lead_ns(), attack=self._attack_words(elapsed_ns),
                under_attack=any(one.active(self._stage.started_ns + elapsed_ns) for one in self._attacks),
                status=status, latest=ledger.latest, accused=ledger.accused[-1] if ledger.accused else "",
                heard=heard, best_reach=ledger.best_reach, story=self._story(elapsed_ns),
            )
        )  # fmt: skip
        step_ns = NS_PER_S // per_s
        rest_ns = step_ns - self._elapsed_ns() % step_ns
        time.sleep(rest_ns / NS_PER_S)

    def _note(self) -> str:
        short = shortened(self._asked.profile, self._asked.dwell_s)
        told = ", ".join(f"{key} {default} -> {chosen}" for key, (default, chosen, _) in short.items())
        return f"no clock is set; loosened here: {told}"

    def _attack_words(self, elapsed_ns: int) -> str:
        told = []
        for attack in self._attacks:
            what = f"{attack.text.partition('@')[0]}, {attack.deed.meaning}"
            since_s = (self._stage.started_ns + elapsed_ns - attack.start_ns) // NS_PER_S
            over = elapsed_ns + self._stage.started_ns >= attack.end_ns
            told.append(f"{what} (over)" if over else f"{what}, for {since_s} s" if since_s >= 0
                        else f"in {-since_s} s: {what}")  # fmt: skip
        return "; ".join(told) or "none"

    def _story(self, elapsed_ns: int) -> list[tuple[int, str]]:
        """What happened so far, with the second of the run; attacks beside the daemon's own decisions."""
        began = self._stage.started_ns
        told = [*self._ledger.story]
        told += [(one.start_ns, f"ATTACK {one.text}: {one.deed.meaning}") for one in self._attacks]
        told.sort(key=lambda one: one[0])
        return [((at - began) // NS_PER_S, text) for at, text in told if at <= began + elapsed_ns]


def _save(directory: Path, keep: Path) -> None:
    for name in _KEPT:
        with suppress(OSError):
            shutil.copy(directory / name, keep / name)
