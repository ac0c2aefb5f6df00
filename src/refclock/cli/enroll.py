"""``refclock enroll``: measure this host's rates once, show them, and store them."""

import argparse
import os
import sys
import tempfile

from refclock.capture import CaptureReader, CaptureWriter
from refclock.cli.configfile import config_argument, read_config, whole_seconds
from refclock.cli.measure import Measurement, Rate, combine
from refclock.cli.operator import agreed, row, runs, tell, yes_argument
from refclock.cli.record import Nobody
from refclock.cli.replay import bridge_for, own_policy
from refclock.core.trust.memory import enroll_offline
from refclock.errors import CaptureError, ConfigError, RefclockError
from refclock.policy import Policy
from refclock.ports import ports_of
from refclock.runtime import Runtime, StateFile
from refclock.runtime.header import CLOCKSOURCE, capture_header, one_line
from refclock.sinks.journal import Journal
from refclock.units import NS_PER_S, PPT_PER_PPM, show_ns

EXAMPLE = "refclock enroll --config /etc/refclock/receiver.toml --from /var/tmp/yesterday.jsonl"
_DEFAULT_S = 4 * 3600
_BETTER_S = 12 * 3600


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    config_argument(parser)
    parser.add_argument(
        "--from", dest="capture", metavar="CAPTURE",
        help="measure in this capture, made on this host by run or record; hours long",
    )  # fmt: skip
    parser.add_argument(
        "--seconds", metavar="N", type=whole_seconds, default=_DEFAULT_S,
        help=f"without --from: record for so long, while no daemon runs ({_DEFAULT_S})",
    )  # fmt: skip
    yes_argument(parser)


def main(args: argparse.Namespace) -> int:
    """Measure, show, ask, store; 1 when it was refused or not agreed to."""
    text, policy = read_config(args.config)
    live = runs(policy)
    if not live and policy.state_file is None:
        raise ConfigError(f"{args.config}: has no [state] file to store an enrolment in; add one.")
    if args.capture:
        measured = measure(args.capture)
    elif live:
        raise ConfigError(
            f"{policy.status_socket}: a daemon runs and holds the ports; start it with --capture FILE, let "
            "it run for hours, and enroll --from that file."
        )
    else:
        with tempfile.TemporaryDirectory(prefix="refclock-") as place:
            path = os.path.join(place, "enroll.jsonl.gz")
            print(f"Recording for {args.seconds} s; an interrupt measures what there is.", file=sys.stderr)
            writer = CaptureWriter(path, capture_header(policy, text))
            asker = Nobody(policy.receiver.protocol)
            Runtime(ports_of(policy), asker, (), Journal(), capture=writer, record=True).run(args.seconds)
            measured = measure(path)
    rates = _show(measured, policy)
    if rates is None or not agreed(args.yes, "Enroll these rates?"):
        return 1
    return tell(str(policy.status_socket), {"verb": "enroll", **rates}) if live else _store(policy, rates)


def measure(path: str) -> Measurement:
    """Replay a capture under its own policy, and take the measurements. Raises CaptureError for one that
    was made with another counter than this host's."""
    with CaptureReader(path) as reader:
        host, here = reader.header.get("host"), one_line(CLOCKSOURCE)
        there = host.get("clocksource") if isinstance(host, dict) else None
        if isinstance(there, str) and "unknown" not in (there, here) and there != here:
            raise CaptureError(
                f"{path}: was made with clocksource {there!r:.40}, this host counts with {here!r}; a rate of "
                "one says nothing of the other. Record anew."
            )
        policy = own_policy(reader)
        bridge = bridge_for(reader.header, policy)
        measured = Measurement(bridge, policy.pps is not None)
        for event in reader:
            measured.take(event, bridge.step(event))
    return measured


def _show(measured: Measurement, policy: Policy) -> dict[str, object] | None:
    """Print what was measured; the rates to enroll, None where they cannot be."""
    receiver, quorum = measured.by_receiver(), measured.by_quorum()
    phases, limits = measured.phases_ns, policy.limits
    if phases:
        least, middle, most = (show_ns(phases[i]) for i in (0, len(phases) // 2, -1))
        print(row("messages", f"begin {middle} after the pulse ({least} to {most})"))
    print(row("receiver", f"counter {_told(receiver)}" if receiver else f"{measured.seconds} usable seconds"))
    print(row("NTP quorum", f"counter {_told(quorum)}" if quorum else "no majority of 3 servers or more"))
    rate = combine(receiver, quorum) if receiver and quorum else None
    refused = ""
    if receiver is None or quorum is None:
        refused = "both a receiver and an NTP quorum are needed: neither is believed alone"
    elif rate is None:
        refused = "receiver and quorum contradict each other: find out which is wrong before enrolling"
    elif rate.unc_ppt >= limits.raw_rate_ppt:
        refused = f"no sharper than what is taken of any host ({_ppm(limits.raw_rate_ppt)}): measure longer"
    if rate is None or refused:
        print(row("refused", refused))
        return None
    rtc = measured.rtc(rate)
    print(row("RTC", f"runs {_told(rtc)} against UTC" if rtc else "not heard, or set meanwhile"))
    print(row("to enroll", f"counter {_told(rate)}"))
    if rate.unc_ppt > limits.mask2_rate_ppt:
        told = f"less sharp than mask 2 ({_ppm(limits.mask2_rate_ppt)}), which may come to refuse an honest "
        print(row("warning", f"{told}receiver; {_BETTER_S // 3600} hours would do better"))
    rates: dict[str, object] = {"raw_rate_ppt": rate.ppt, "raw_rate_unc_ppt": rate.unc_ppt}
    if rtc is not None and rtc.unc_ppt < limits.rtc_rate_ppt:
        rates |= {"rtc_rate_ppt": rtc.ppt, "rtc_rate_unc_ppt": rtc.unc_ppt}
    elif rtc is not None:
        print(row("", f"the RTC's rate is not stored: no sharper than {_ppm(limits.rtc_rate_ppt)}"))
    phc = measured.phc(rate)
    if phc is not None:
        print(row("network card", f"runs {_told(phc)} against UTC"))
        rates |= {"phc_rate_ppt": phc.ppt, "phc_rate_unc_ppt": phc.unc_ppt}
    if phases and measured.has_pps:
        rates |= {"phase_low_ns": phases[0], "phase_high_ns": phases[-1]}
    return rates


def _told(rate: Rate) -> str:
    return f"{_ppm(rate.ppt, sign='+')} within {_ppm(rate.unc_ppt)}, over {_length(rate.span_ns)}"


def _ppm(ppt: int, sign: str = "") -> str:
    """A rate to three decimals, away from zero: an uncertainty is never shown as none."""
    whole, rest = divmod(-(-abs(ppt) // 1000), PPT_PER_PPM // 1000)
    return f"{'-' if ppt < 0 else sign}{whole}.{rest:03d} ppm"


def _length(span_ns: int) -> str:
    seconds = span_ns // NS_PER_S
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d} h"


def _store(policy: Policy, rates: dict[str, object]) -> int:
    """Write the rates into the sealed state, for the next start."""
    state = StateFile(str(policy.state_file), Journal().log)
    state.hold()
    try:
        kept = enroll_offline(state.load() or {}, rates)
        if kept is None:
            raise RefclockError(
                f"{state.path}: a receiver was being rejected when the daemon stopped, and an enrolment must "
                "not forgive it that; start the daemon, see refclock explain."
            )
        if not state.save(kept):
            return 1
    finally:
        state.release()
    print("Enrolled; in force from the next start on.")
    return 0
