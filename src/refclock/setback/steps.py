"""The steps of a set-back, in their only order, and what each of them needs to go on holding."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from refclock.setback.clock import Anchor
from refclock.setback.dependents import Dependent, dependent_of
from refclock.setback.keys import Keys, keys_of
from refclock.setback.record import BEGUN, DONE, NOTED, UNDONE, Fields, RecordError


class Need(Enum):
    """What must hold while a step is taken. Where it does not, the step that brought it about is to be taken
    anew."""

    QUIET = "no service that lives by the clock runs or listens"
    RIGHT = "the clock is right"


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what it needs, and the choices that it leaves to the operator, the usual one first."""

    name: str
    title: str
    needs: tuple[Need, ...]
    choices: tuple[str, ...] = ()


# The draft's order ("Changing host keys"): services are disabled before clock and keys are changed, and
# enabled again after both. The clock comes before the keys: kadmin talks to a KDC, and a KDC wants a clock
# within five minutes of its own.
STEPS = (
    Step("stop", "Stop what lives by the clock", ()),
    Step("set", "Set the clock back", (Need.QUIET,)),
    Step("keys", "Change the keys", (Need.QUIET, Need.RIGHT), ("change", "wait")),
    Step("caches", "Keep or clear the replay caches", (Need.QUIET, Need.RIGHT), ("keep", "clear")),
    Step("start", "Start the services again", (Need.RIGHT,)),
)
BROUGHT_BY = {Need.QUIET: "stop", Need.RIGHT: "set"}
_NAMES = tuple(step.name for step in STEPS)


def number(step: Step) -> int:
    """1 for the first."""
    return STEPS.index(step) + 1


@dataclass(slots=True)
class Options:
    """What the operator said at the beginning; it holds until the end."""

    role: str = "server"
    realm: str = ""
    admin: str = ""
    keytabs: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    replay_caches: tuple[str, ...] = ()
    time_file: str = ""
    socket: str = ""
    profile: str = "kdc"
    already: bool = False
    anchor: Anchor | None = None

    def fields(self) -> Fields:
        """For the record."""
        named = {name: getattr(self, name) for name in _TEXTS}
        listed = {name: list(getattr(self, name)) for name in _LISTS}
        anchor = None if self.anchor is None else self.anchor.fields()
        return {**named, **listed, "ports": list(self.ports), "already": self.already, "anchor": anchor}

    @classmethod
    def of(cls, fields: Mapping[str, object]) -> "Options":
        """Those that were recorded. Raises ValueError, TypeError or KeyError for what is none."""
        anchor = fields["anchor"]
        made = cls(
            ports=tuple(int(str(one)) for one in _listed(fields, "ports")),
            already=fields["already"] is True,
            anchor=Anchor.of(anchor) if isinstance(anchor, dict) else None,
        )
        for name in _TEXTS:
            setattr(made, name, str(fields[name]))
        for name in _LISTS:
            setattr(made, name, tuple(map(str, _listed(fields, name))))
        return made


_TEXTS = ("role", "realm", "admin", "time_file", "socket", "profile")
_LISTS = ("keytabs", "services", "replay_caches")


@dataclass(slots=True)
class Progress:
    """How far a procedure is, from the lines of its record."""

    options: Options
    reason: str
    salt: bytes
    begun_ns: int
    begun_raw_ns: int
    begun_boot: str
    done: dict[str, str] = field(default_factory=dict)
    dependents: list[Dependent] = field(default_factory=list)
    # The keys as they were when the clock had been set and nothing ran: each of them must change.
    before: list[Keys] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)
    # The latest that the clock showed while anything may have run.
    latest_ns: int = 0

    @property
    def next(self) -> Step | None:
        """The step that is to be taken now; None when all are."""
        return next((step for step in STEPS if step.name not in self.done), None)

    def _take(self, line: Mapping[str, object]) -> None:
        what, step = line["what"], str(line.get("step"))
        if what == DONE and step in _NAMES:
            self.done[step] = str(line.get("choice", ""))
            if step == "stop":
                self.latest_ns = max(self.latest_ns, int(str(line["real_ns"])), self._unset_ns(line))
            elif step == "set" and not self.before:
                self.before = [keys_of(one) for one in _dicts(line, "keys")]
        elif what == UNDONE:
            self.done.pop(step, None)
            self._meet(line)
            # What ran may have used the old keys, or the new ones on a clock that goes back once more: what
            # was changed before counts only if all were, and the clock was right.
            if step == "stop" and not ("keys" in self.done and line.get("right") is True):
                self.done.clear()
                self.before = []
        elif what == NOTED:
            anchor = line.get("anchor")
            if isinstance(anchor, dict):
                self.options.anchor = Anchor.of(anchor)
            for one in _listed(line, "kept") if "kept" in line else ():
                self.kept[str(one)] = str(line.get("reason"))

    def _unset_ns(self, line: Mapping[str, object]) -> int:
        """What the clock would have shown by now, had nobody set it since the beginning: if it was set back
        before the services were stopped, they may have seen as much."""
        if line["boot"] != self.begun_boot:
            return 0
        return self.begun_ns + int(str(line["raw_ns"])) - self.begun_raw_ns

    def _meet(self, line: Mapping[str, object]) -> None:
        """Services that run, or did: they are to be started again."""
        known = {(one.unit, one.command) for one in self.dependents}
        for one in map(dependent_of, _dicts(line, "dependents")):
            if (one.unit, one.command) not in known and (one.unit or one.command):
                self.dependents.append(one)


def progress(lines: Sequence[Fields], path: str) -> Progress | None:
    """From the lines of the procedure that is open; None where there is none. Raises RecordError."""
    if not lines:
        return None
    try:
        first = lines[0]
        salt = bytes.fromhex(str(first["salt"]))
        real_ns, raw_ns = int(str(first["real_ns"])), int(str(first["raw_ns"]))
        boot, reason = str(first["boot"]), str(first["reason"])
        found = Progress(Options.of(first), reason, salt, real_ns, raw_ns, boot, latest_ns=real_ns)
        found._meet(first)
        for line in lines:
            if line["what"] != BEGUN:
                found._take(line)
    except (KeyError, TypeError, ValueError) as error:
        raise RecordError(
            f"{path}: a line lacks something, or has it in another form ({error!r}); another version of "
            "refclock wrote it. Finish with that version."
        ) from None
    return found


def _listed(fields: Mapping[str, object], key: str) -> list[object]:
    value = fields[key]
    if not isinstance(value, list):
        raise TypeError(f"{key}: expected a list")
    return value


def _dicts(fields: Mapping[str, object], key: str) -> list[Fields]:
    if key not in fields:
        return []
    return [one for one in _listed(fields, key) if isinstance(one, dict)]
