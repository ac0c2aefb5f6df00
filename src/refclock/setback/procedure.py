"""Taking the steps: what is verified before one counts as done, and what undoes one."""

from collections.abc import Mapping, Sequence

from refclock.errors import ConfigError, PortError, TimeUnavailableError
from refclock.ports import stamp
from refclock.setback.caches import Cache
from refclock.setback.clock import Opinion
from refclock.setback.dependents import Dependent
from refclock.setback.keys import DATABASE, DEFAULT_KEYTAB, Keys, unchanged
from refclock.setback.record import DONE, FINISHED, NOTED, UNDONE, Record
from refclock.setback.site import Site, latest_of
from refclock.setback.steps import BROUGHT_BY, STEPS, Need, Progress, Step, progress
from refclock.units import NS_PER_S, show_ns

Troubles = list[str]

NO_KEYS = (
    f"no key was found on this host; name its keytabs with --keytab at the beginning ({DEFAULT_KEYTAB}). "
    "Without any there is nothing that this procedure protects."
)
# Ports from here on are given out by the kernel (ip(7), ip_local_port_range), and others the next time.
_EPHEMERAL = 32_768


class Procedure:
    """A procedure that is open: where it stands, and how it goes on. Whatever it says is on the disk."""

    def __init__(self, record: Record, site: Site) -> None:
        """Raises ConfigError where none is open, RecordError for a record that cannot be used."""
        self.record, self.site = record, site
        self.at = self._read()
        site.options = self.at.options

    def _read(self) -> Progress:
        found = progress(self.record.current, self.record.path)
        if found is None:
            raise ConfigError(f"{self.record.path}: no set-back is open; begin one with --go --reason ...")
        return found

    def _add(self, what: str, **more: object) -> None:
        self.record.add(what, **more)
        if self.record.current:
            self.at = self._read()
            self.site.options = self.at.options

    # ---- what must hold -----------------------------------------------------------------------------

    def look(self) -> Troubles:
        """Whether all that the next step needs still holds. Where it does not, the step that brought it about
        is undone, which is recorded, and why is returned. Raises TimeUnavailableError."""
        step = self.at.next
        if step is None:
            return []
        if Need.QUIET in step.needs and (running := self.site.scan().dependents):
            self._undo_stop(running, self._is_right())
            return [f"RUNS AGAIN: {one}" for one in running]
        if Need.RIGHT in step.needs and not (opinion := self.site.opinion()).right:
            told = f"the clock is no longer right: {opinion}"
            if running := self.site.scan().dependents:
                self._undo_stop(running, right=False)
                return [told, *(f"and with it runs {one}" for one in running)]
            self._add(UNDONE, step=BROUGHT_BY[Need.RIGHT], why=str(opinion), **opinion.fields())
            return [told]
        return []

    def _undo_stop(self, running: Sequence[Dependent], right: bool) -> None:
        """``right``: the clock that they run on was right, so that with new keys there is nothing to fear."""
        self._add(
            UNDONE, step=BROUGHT_BY[Need.QUIET], why="; ".join(map(str, running)), right=right,
            dependents=[one.fields() for one in running],
        )  # fmt: skip

    def _is_right(self) -> bool:
        try:
            return self.site.opinion().right
        except TimeUnavailableError:
            return False

    # ---- the steps ----------------------------------------------------------------------------------

    def finish(self, step: Step, choice: str = "") -> Troubles:
        """Verify that a step was taken, and record that; or say why it was not. Raises ConfigError for one
        that is not the next, PortError and TimeUnavailableError where something cannot be looked at."""
        expected = self.at.next
        if expected is not step:
            raise OutOfOrderError(
                f"{step.name}: out of order: " + (f"{expected.name} is next." if expected else "all is done.")
            )
        if choice and choice not in step.choices:
            known = " or ".join(step.choices) or "none"
            raise ConfigError(f"{step.name}: expected {known} behind the =, found {choice!r}.")
        choice = choice or (step.choices[0] if step.choices else "")
        troubles = self.look()
        if troubles:
            return troubles
        more: dict[str, object] = {}
        if step.name == "stop":
            troubles = [str(one) for one in self.site.scan().dependents]
        elif step.name == "set":
            opinion = self.site.opinion()
            troubles = [] if opinion.right else [f"the clock is {opinion}"]
            more = opinion.fields()
            if not troubles and not self.at.before:
                keys = self.site.keys(self.at.salt)
                troubles = [] if keys else [NO_KEYS]
                more |= {"keys": [one.fields() for one in keys]}
        elif step.name == "keys":
            troubles = self._waited() if choice == "wait" else self._not_changed()
            more = {"kept": sorted(self.at.kept)} if choice == "change" else {}
        elif step.name == "caches":
            caches = self.site.caches()
            troubles = self._not_cleared(caches) if choice == "clear" else []
            more = {"caches": [one.path for one in caches]}
        elif step.name == "start":
            troubles = self._not_started()
            more = self.site.opinion().fields()
        if not troubles:
            self._add(DONE, step=step.name, choice=choice, **more)
            if step is STEPS[-1]:
                self.record.add(FINISHED)
        return troubles

    def note(self, **more: object) -> None:
        """Record what was said later than at the beginning."""
        self._add(NOTED, **more)

    def keep(self, principals: Sequence[str], reason: str) -> None:
        """Record that the keys of these stay. Raises ConfigError for one that is no key of this host's."""
        known = {one.principal for one in self.site.keys(self.at.salt)} | {
            one.principal for one in self.at.before
        }
        for one in principals:
            if one not in known:
                raise ConfigError(f"--keep-key {one}: no such key; those are {', '.join(sorted(known))}.")
        self._add(NOTED, kept=list(principals), reason=reason)

    # ---- keys ---------------------------------------------------------------------------------------

    def key_states(self) -> list[tuple[Keys, Keys | None, str]]:
        """Each key that must change: as it was, as it is now (None: gone), and why it does not count as
        changed, or nothing. Raises PortError."""
        now = {one.key: one for one in self.site.keys(self.at.salt)}
        states = []
        for before in self.at.before:
            after = now.get(before.key)
            if after is None and before.place == DATABASE:
                after = self.site.in_database(before.principal)
            why = unchanged(before, after) or self._differs(after)
            states.append((before, after, "" if before.principal in self.at.kept else why))
        return states

    def _differs(self, after: Keys | None) -> str:
        """A keytab that has not got what the KDC has: the draft's race between the two."""
        if after is None or after.place == DATABASE:
            return ""
        known = self.site.in_database(after.principal)
        if known is None or known.newest == after.newest:
            return ""
        return f"version {after.newest}, and the KDC's database {known.newest}: ktadd it again"

    def _not_changed(self) -> Troubles:
        return [f"{was.principal} in {was.place}: {why}" for was, _, why in self.key_states() if why]

    def wait_s(self) -> int:
        """For how many seconds the services would have to stay stopped for the clock to be past the latest
        that they ever saw."""
        return max(0, self.wait_until_ns() - stamp.now()[1]) // NS_PER_S + 1

    def wait_until_ns(self) -> int:
        """That latest time, as far as the record and the replay caches know it (POSIX ns)."""
        return latest_of(self.site.caches(), self.at.latest_ns)

    def _waited(self) -> Troubles:
        if self.at.options.already:
            return ["the clock was set back before this began, nobody knows by how much: change them"]
        left_ns = self.wait_until_ns() - stamp.now()[1]
        if left_ns < 0:
            return []
        return [f"the clock passes the latest that services saw in {show_ns(left_ns).lstrip('+')}; wait"]

    # ---- caches and services ------------------------------------------------------------------------

    def _not_cleared(self, caches: Sequence[Cache]) -> Troubles:
        if self.at.done.get("keys") != "change" or self.at.kept:
            return ["not every key was changed, and then what the caches still know is needed: keep them"]
        return [f"{one.path} is still there" for one in caches if not one.cleared]

    def _not_started(self) -> Troubles:
        running = self.site.scan().dependents
        troubles = []
        for was in self.at.dependents:
            same = [one for one in running if (one.unit or one.name) == was.what]
            heard = {(at.over, at.port) for one in same for at in one.sockets}
            fixed = [at for at in was.sockets if at.port < _EPHEMERAL or at.port in self.at.options.ports]
            silent = [str(at) for at in fixed if (at.over, at.port) not in heard]
            if not same:
                troubles.append(f"{was.what} does not run")
            elif silent:
                troubles.append(f"{was.what} does not listen on {', '.join(silent)} yet")
            elif was.is_kdc and (why := self.site.kdc_trouble(was)):
                troubles.append(why)
        return troubles


class OutOfOrderError(PortError):
    """A step was to be taken before its turn."""


def opening(
    options: Mapping[str, object], reason: str, salt: bytes, opinion: Opinion, found: Sequence[Dependent]
) -> dict[str, object]:
    """What the first line of a procedure holds."""
    return {
        **options, "reason": reason, "salt": salt.hex(), **opinion.fields(),
        "dependents": [one.fields() for one in found],
    }  # fmt: skip
