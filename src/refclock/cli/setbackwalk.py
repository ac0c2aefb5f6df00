"""How a set-back is shown, and walked through with a person at a terminal."""

import sys
import textwrap

from refclock.cli.operator import at
from refclock.setback import telling
from refclock.setback.clock import RIGHT_NS, Opinion
from refclock.setback.procedure import OutOfOrderError, Procedure
from refclock.setback.record import ABANDONED, BEGUN, DONE, NOTED, UNDONE, Record
from refclock.setback.site import Site
from refclock.setback.steps import STEPS, Step, number, progress
from refclock.units import NS_PER_S, printable, show_ns

_INDENT = " " * 22
_ROLES = {
    "kdc": "a KDC that has the realm's database",
    "replica": "a KDC that gets the realm's database from another one",
    "server": "a server that takes tickets",
}


def dry_run(site: Site, opinion: Opinion, refusal: str) -> list[str]:
    """All steps, as they would be taken now."""
    options, seen = site.options, site.scan()
    realm = f", realm {options.realm}" if options.realm else ""
    lines = telling.said(f"The clock is {opinion}.")
    lines += telling.said(f"This host: {_ROLES[options.role]}{realm} (--role, --realm).")
    if refusal:
        return [*lines, "", *telling.said(refusal)]
    if opinion.off_ns > 0 and not options.already:
        lines += ["", *telling.instead(opinion, options.profile)]
    wait_s = None if options.already else (opinion.off_ns + RIGHT_NS) // NS_PER_S
    states = [(one, one, f"version {one.newest}, to be changed") for one in site.keys(bytes(16))]
    bodies = [
        telling.stop(seen.dependents, seen.perhaps),
        telling.set_clock(opinion, seen.steerers),
        telling.keys(options, states, wait_s),
        telling.caches(site.caches(), max(0, opinion.off_ns) // NS_PER_S),
        telling.start(seen.dependents, options),
    ]
    for step, body in zip(STEPS, bodies, strict=True):
        lines += ["", telling.heading(step), *"\n".join(body).rstrip().splitlines()]
    begin = "refclock setback --go --reason ..., with the same options, takes these steps one by one."
    return [*lines, "", *telling.said(f"DRY RUN: nothing was done, and nothing is recorded. {begin}")]


def walk(procedure: Procedure, answers: list[tuple[str, str]]) -> int:
    """Take the steps that are left: those that are answered for, or, without any, with the person at the
    terminal. 0 when all that was answered for is done, and after the last step."""
    status = _answered(procedure, answers) if answers else _walked(procedure)
    if procedure.at.next is None:
        print("\n".join(telling.said(
            f"All is done. The record is {procedure.record.path}. Find out what made the clock run ahead, if "
            "you do not know yet, and compare the realm's KDCs: refclock realm."
        )))  # fmt: skip
    return status


def _answered(procedure: Procedure, answers: list[tuple[str, str]]) -> int:
    """Verify and record each step that is answered for, and show the next one."""
    for name, choice in answers:
        step = procedure.at.next
        if step is None or step.name != name:
            expected = "all is done" if step is None else f"{step.name} is next"
            raise OutOfOrderError(f"{name}: out of order: {expected}. Nothing was recorded.")
        troubles = procedure.look() or procedure.finish(step, choice)
        if troubles:
            _complain([f"{name} is not done:", *troubles])
            if procedure.at.next is step:
                print("\n".join(instructions(procedure, step)).rstrip(), file=sys.stderr)
            return 1
        print(_done(procedure, step))
    if procedure.at.next is not None:
        _show(procedure, procedure.at.next)
    return 0


def _walked(procedure: Procedure) -> int:
    """Show each step, and ask, until all are done or somebody leaves."""
    while (step := procedure.at.next) is not None:
        if troubles := procedure.look():
            _complain(troubles)
            continue
        if step.name == "caches" and sys.stdin.isatty() and not procedure.site.caches():
            procedure.finish(step)
            print("No replay cache was found; nothing to keep or to clear. Recorded.\n")
            continue
        _show(procedure, step)
        choice = _asked(step)
        if choice is None:
            print(f"\nLeft at step {step.name}. refclock setback --resume goes on.")
            return 1
        if choice == "no":
            continue
        if troubles := procedure.finish(step, choice):
            _complain(["", f"{step.name} is not done:", *troubles, ""])
        else:
            print(_done(procedure, step))
    return 0


def _done(procedure: Procedure, step: Step) -> str:
    last = next(line for line in reversed(procedure.record.lines) if line.get("step") == step.name)
    off_ns = last.get("off_ns")
    clock = f" The clock was {show_ns(off_ns) if off_ns else 0} off." if isinstance(off_ns, int) else ""
    return f"Step {number(step)} of {len(STEPS)}, {step.name}: done, and recorded.{clock}\n"


def _show(procedure: Procedure, step: Step) -> None:
    print("\n".join([telling.heading(step), *instructions(procedure, step)]).rstrip())


def instructions(procedure: Procedure, step: Step) -> list[str]:
    """What is to be done now."""
    site, now = procedure.site, procedure.at
    if step.name == "stop":
        seen = site.scan()
        return telling.stop(seen.dependents, seen.perhaps)
    if step.name == "set":
        return telling.set_clock(site.opinion(), site.scan().steerers)
    if step.name == "keys":
        wait_s = None if now.options.already else procedure.wait_s()
        return telling.keys(now.options, procedure.key_states(), wait_s)
    if step.name == "caches":
        return telling.caches(site.caches(), procedure.wait_s())
    return telling.start(now.dependents, now.options)


def _asked(step: Step) -> str | None:
    """The choice of whoever sits there; "" for yes, None to leave."""
    words = ("yes", *step.choices[1:]) if step.name != "caches" else step.choices
    if not sys.stdin.isatty():
        print(f"\nNobody is at a terminal: refclock setback --done {step.name}, when it is.", file=sys.stderr)
        return None
    known = {**{one: one for one in words}, "yes": "", "no": "no", "quit": None}
    while True:
        print(f"\nDone? [{'/'.join(dict.fromkeys([*words, 'no', 'quit']))}] ", end="", flush=True)
        line = sys.stdin.readline()
        answer = line.strip().lower()
        if not line:
            return None
        if answer in known and (answer != "yes" or "yes" in words):
            return known[answer]


def _complain(troubles: list[str]) -> None:
    for one in troubles:
        print("\n".join(telling.said(one)), file=sys.stderr)


def story(record: Record) -> list[str]:
    """What a record says: of the procedure that is open, or of the last one."""
    begun = [number for number, line in enumerate(record.lines) if line["what"] == BEGUN]
    if not begun:
        return [f"{record.path}: no set-back was ever begun."]
    lines = [f"{record.path}:"]
    for line in record.lines[begun[-1] :]:
        lines += textwrap.wrap(
            f"{at(int(str(line['real_ns'])))}  {printable(_in_words(line))}",
            telling.WIDTH,
            subsequent_indent=_INDENT,
        )
    found = progress(record.current, record.path)
    if found is None:
        return [*lines, "None is open."]
    step = found.next
    return [*lines, *([f"Open. Next: {telling.heading(step)} (refclock setback --resume)"] if step else [])]


def _in_words(line: dict[str, object]) -> str:
    what, off = line["what"], line.get("off_ns")
    clock = f"; the clock {show_ns(off)} by {line.get('source')}" if isinstance(off, int) else ""
    if what == BEGUN:
        return f"begun: {line.get('reason')}{clock}"
    if what == DONE:
        choice = f" ({line['choice']})" if line.get("choice") else ""
        return f"done: {line.get('step')}{choice}{clock}"
    if what == UNDONE:
        return f"UNDONE: {line.get('step')}: {line.get('why')}"
    if what == NOTED:
        kept = line.get("kept")
        told = f"keys kept: {', '.join(map(str, kept))}" if isinstance(kept, list) else "the clock by --by"
        return f"noted: {told}: {line.get('reason')}"
    return f"abandoned: {line.get('reason')}" if what == ABANDONED else str(what)
