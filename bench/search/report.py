"""What the search found: a table, the numbers as CSV, and the figure made from those."""

import csv
from pathlib import Path

from refclock.units import show_ns
from search.evolve import Tally

_DRAWN = (
    ("honest", ("#1f77b4", "honest majority")),
    ("operator", ("#2ca02c", "… and an operator who rearms")),
    ("collusion", ("#d62728", "receiver and most servers lie together")),
)
_HEAD = ("profile", "account", "runs", "fed", "seconds", "worst admitted", "published", "provable", "used")


def table(tally: Tally) -> str:
    """One row for each profile and account: the worst admitted error, what was published for that second,
    what was provable at the anchor; and the greatest share of a published bound that any second used."""
    rows: list[tuple[str, ...]] = [_HEAD]
    for key in sorted(tally.runs):
        worst, tight = tally.worst[key].worst, tally.tightest[key].tightest
        used = f"{100 * tight.error_ns / max(1, tight.bound_ns):.1f} %"
        shown = [show_ns(ns).lstrip("+") for ns in (worst.error_ns, worst.bound_ns, worst.apriori_ns)]
        counts = [str(count) for count in (tally.runs[key], tally.fed[key], tally.seconds[key])]
        rows.append((*key, *counts, *shown, used))
    widths = [max(len(row[at]) for row in rows) for at in range(len(_HEAD))]
    lines = []
    for row in rows:
        left = [row[at].ljust(widths[at]) for at in (0, 1)]
        lines.append("  ".join([*left, *(row[at].rjust(widths[at]) for at in range(2, len(_HEAD)))]).rstrip())
    return "\n".join(lines)


def write_csv(tally: Tally, path: Path) -> None:
    """The worst second of each run: when in its epoch, its error, the published and the provable bound."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["profile", "account", "after_s", "error_ns", "bound_ns", "provable_ns"])
        for key in sorted(key for key in tally.points if key[1] in dict(_DRAWN)):
            # The largest of each stretch of time draw the figure's edge; the rest shows how full it is.
            points = sorted(tally.points[key], key=lambda one: -one.error_ns)
            chosen = points[:200] + points[200 :: max(1, len(points) // 300)]
            for one in sorted(chosen, key=lambda one: one.after_ns):
                writer.writerow([*key, one.after_ns // 10**9, one.error_ns, one.bound_ns, one.apriori_ns])


def draw_figure(data: Path, picture: Path) -> None:
    """Admitted error against the bound that was published for it, one panel for each profile."""
    import matplotlib as mpl  # noqa: PLC0415  # from the extra "report"; the search itself does without

    mpl.use("Agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415

    with data.open(newline="") as file:
        rows = list(csv.DictReader(file))
    profiles = sorted({row["profile"] for row in rows})
    figure, panels = plt.subplots(
        1, len(profiles), figsize=(5 * len(profiles), 4.4), squeeze=False, sharex=True, sharey=True
    )
    for panel, profile in zip(panels[0], profiles, strict=True):
        mine = [row for row in rows if row["profile"] == profile and int(row["error_ns"]) > 0]
        for account, (colour, label) in _DRAWN:
            some = [row for row in mine if row["account"] == account]
            panel.scatter(
                [int(row["bound_ns"]) / 1e6 for row in some],
                [int(row["error_ns"]) / 1e6 for row in some],
                s=6, c=colour, alpha=0.6, linewidths=0, label=label,
            )  # fmt: skip
        panel.plot([1e-3, 1e5], [1e-3, 1e5], "k-", linewidth=0.8, label="error = published bound")
        panel.set(
            xscale="log", yscale="log", xlim=(0.1, 3e4), ylim=(1e-3, 3e4), title=profile,
            xlabel="published bound (ms)",
        )  # fmt: skip
        panel.grid(alpha=0.25)
    panels[0][0].set_ylabel("worst admitted error of a run (ms)")
    panels[0][0].legend(loc="upper left", fontsize=7)
    figure.tight_layout()
    figure.savefig(picture, dpi=110, metadata={"Software": None})
    plt.close(figure)
