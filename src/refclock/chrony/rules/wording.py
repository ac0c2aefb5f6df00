"""How a directive, and what to do about it, is told; and the rules that a word in the file satisfies."""

from collections.abc import Iterator

from refclock.chrony.effective import Effective, Wanted
from refclock.chrony.rule import Rule
from refclock.finding import Finding
from refclock.wire.chronyconf import Directive


def shown(one: Directive) -> str:
    """A directive with the place where it stands."""
    text = one.text if len(one.text) <= 100 else f"{one.text[:97]}..."
    return f"`{text}`" + (f" ({one.place})" if one.place else "")


def removal(*directives: Directive) -> str:
    """What to take out."""
    places = [one.place for one in directives if one.place]
    if len(places) != len(directives):
        return f"remove `{directives[0].name}`"
    return f"remove {' and '.join(places)}"


def replacement(one: Directive | None, *lines: str) -> str:
    """What to write instead of a directive, or where there is none."""
    text = " and ".join(f"`{line}`" for line in lines)
    if one is None:
        return f"add {text}"
    return f"write {text}" + (f" at {one.place}" if one.place else "")


def unless_explained(rule: Rule, name: str, told: str, conf: Effective, wanted: Wanted) -> Iterator[Finding]:
    """A directive that is to be absent, or explained by a comment right above it."""
    found = conf.all(name)
    if not found:
        yield rule.ok("absent")
    for one in found:
        if one.reason:
            yield rule.ok(f"{shown(one)}, explained: {one.reason}")
        else:
            mend = f"{removal(one)}, or put above it: `# refclock doctor: WHY`"
            yield rule.bad(wanted, f"{shown(one)}: {told}", mend)
