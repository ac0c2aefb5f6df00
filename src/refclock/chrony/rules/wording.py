"""How a directive, and what to do about it, is told."""

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
