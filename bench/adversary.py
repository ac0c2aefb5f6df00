"""An adversary that learns: tries to maximise the admitted error and to break the lemmas L1 to L6.

usage: python bench/adversary.py [--runs N] [--seconds N] [--seed N] [--jobs N] [--profile P] [--figure DIR]
       python bench/adversary.py --play PLAN      one run, told second by second
       python bench/adversary.py --draw DIR       the figure from its CSV again
       python bench/adversary.py --golden DIR     the worst as captures, bytes and pulses

Each run drives the core at the level of candidate seconds and witnesses' answers (bench/search). A violation
prints the plan that shows it, made as small as it gets, and the exit status is 1.
"""

import argparse
import multiprocessing
import sys
import time
from pathlib import Path

from search.evolve import Tally, search
from search.golden import write_golden
from search.plan import Plan
from search.play import Player, minimal
from search.report import draw_figure, table, write_csv

from refclock.model import Publish
from refclock.policy import PROFILES
from refclock.units import NS_PER_S, show_ns

_CHUNK = 500
_SHOWN = 6
CSV, PNG = "adversary.csv", "adversary.png"


def work(job: tuple[int, int, tuple[str, ...], float]) -> Tally:
    """So many runs of one worker's search, which goes on from chunk to chunk, until a moment."""
    seed, runs, profiles, until = job
    tally = Tally()
    for outcome in search(profiles, seed, runs):
        tally.add(outcome)
        if time.monotonic() >= until or len(tally.violations) >= _SHOWN:
            break
    return tally


def run(args: argparse.Namespace) -> int:
    """Search, then report; 1 when a lemma was broken."""
    began = time.monotonic()
    until = began + args.seconds if args.seconds else float("inf")
    profiles = (args.profile,) if args.profile else PROFILES
    each = max(1, min(args.islands, args.runs // _CHUNK))
    counts = [args.runs // each + (index < args.runs % each) for index in range(each)]
    jobs = [(args.seed * 1_000 + index, count, profiles, until) for index, count in enumerate(counts)]
    total = Tally()
    with multiprocessing.Pool(args.jobs) as workers:
        for tally in workers.imap_unordered(work, jobs):
            total.merge(tally)
            done = sum(total.runs.values())
            took = time.monotonic() - began
            print(
                f"{done} runs, {done / took:.0f} a second, {len(total.violations)} violations",
                file=sys.stderr, flush=True,
            )  # fmt: skip
            for outcome in tally.violations:
                print(f"{outcome.violations[0]}\n  {outcome.plan.text()}", file=sys.stderr, flush=True)
            if args.figure:
                args.figure.mkdir(parents=True, exist_ok=True)
                write_csv(total, args.figure / CSV)
                (args.figure / "adversary.txt").write_text(_report(total, args))
            if len(total.violations) >= _SHOWN:
                workers.terminate()
                break
    print(_report(total, args))
    if args.figure:
        draw_figure(args.figure / CSV, args.figure / PNG)
    for outcome in total.violations[:_SHOWN]:
        small = minimal(outcome)
        print(f"\nVIOLATION {small.violations[0]}\n  python bench/adversary.py --play '{small.plan.text()}'")
    return int(bool(total.violations))


def _report(total: Tally, args: argparse.Namespace) -> str:
    runs = sum(total.runs.values())
    head = f"{runs} runs from seed {args.seed}, {len(total.violations)} violations"
    lines = [head, table(total), "", "the worst of each account:"]
    for key in sorted(total.worst):
        if total.worst[key].fed:
            lines.append(f"{' '.join(key)}: {total.worst[key].plan.text()}")
    return "\n".join(lines) + "\n"


def play_aloud(text: str) -> int:
    """One plan, with a line for each published second and each change of mode."""
    plan = Plan.parse(text)
    player = Player(plan)
    oracle = player.host.oracle

    def say(published: Publish, error_ns: int) -> None:
        print(
            f"{published.raw_ns // NS_PER_S:>9} s  error {show_ns(error_ns):>10}  bound "
            f"{show_ns(published.bound_ns):>10}  {player.host.bridge.vetting.mode.value}"
        )

    oracle.history = say
    outcome = player.run()
    print(f"{outcome.published} seconds published, mode {outcome.mode.value}, rejected: {oracle.reasons}")
    print(f"worst error {show_ns(outcome.worst.error_ns)}, accused: {oracle.accused}")
    for violation in outcome.violations:
        print("VIOLATION", violation)
    return int(bool(outcome.violations))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    parser.add_argument("--islands", type=int, default=40, help="separate evolutions (40)")
    parser.add_argument("--profile", choices=PROFILES)
    parser.add_argument("--figure", type=Path, metavar="DIR", help="write figure, CSV and table there")
    parser.add_argument("--play", metavar="PLAN", help="one plan, as a violation prints it")
    parser.add_argument("--draw", type=Path, metavar="DIR")
    parser.add_argument("--golden", type=Path, metavar="DIR")
    args = parser.parse_args()
    if args.draw:
        draw_figure(args.draw / CSV, args.draw / PNG)
        return 0
    if args.golden:
        for path in write_golden(args.golden):
            print(path)
        return 0
    return play_aloud(args.play) if args.play else run(args)


if __name__ == "__main__":
    sys.exit(main())
