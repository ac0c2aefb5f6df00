"""``refclock status``: ask the running daemon what it trusts, and why."""

import argparse
import json
import socket
import textwrap

from refclock.bounded import DIRECTORY, only_file
from refclock.cli.configfile import read_config, usual_path
from refclock.errors import ConfigError, PortError
from refclock.units import NS_PER_S, printable, show, show_length, show_ns, show_rate

EXAMPLE = "refclock status --json | jq .bound_ns"
_VERSION = 1
_TIMEOUT_S = 3.0
_MAX_SIZE = 1 << 22
_WIDTH = 80
_LABEL = 11

Fields = dict[str, object]


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    socket_arguments(parser)
    parser.add_argument("--json", action="store_true", help="the daemon's whole answer, for programs")


def socket_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare ``--config FILE`` and ``--socket PATH``, which say where the daemon is asked."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--config", metavar="FILE", help="ask at the socket that this configuration names")
    where.add_argument("--socket", metavar="PATH", help=f"ask at this socket (the only one in {DIRECTORY})")


def main(args: argparse.Namespace) -> int:
    """Print the answer; 1 when there is no daemon to ask."""
    document = ask(socket_path(args))
    print(json.dumps(document) if args.json else "\n".join(table(document)))
    return 0


def socket_path(args: argparse.Namespace) -> str:
    """The socket that the arguments name, or the host's only one. Raises ConfigError, and PortError where
    there is none or several."""
    if not args.config:
        return args.socket or only_file("sock", "status socket", PortError)
    policy = read_config(args.config)[1]
    if policy.status_socket is None:
        own = usual_path(args.config, "sock")
        raise ConfigError(f'{args.config}: has no status socket; add [status] socket = "{own}".')
    return policy.status_socket


def ask(path: str) -> Fields:
    """The daemon's document. Raises PortError when nobody answers, or not as this version understands."""
    document = exchange(path)
    if document is None or document.get("refclock_status") != _VERSION:
        raise PortError(f"{path}: what answers is no refclock daemon of status version {_VERSION}.")
    return document


def exchange(path: str, line: bytes = b"") -> Fields | None:
    """Say a line to the daemon (or nothing), and take its answer: None for what is no JSON object, or where
    it left without reading the line. Raises PortError when nobody answers."""
    data = bytearray()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wire:
            wire.settimeout(_TIMEOUT_S)
            wire.connect(path)
            if line:
                wire.sendall(line)
            while len(data) <= _MAX_SIZE and (chunk := wire.recv(1 << 16)):
                data += chunk
    except (ConnectionResetError, BrokenPipeError):
        return None
    except TimeoutError:
        raise PortError(
            f"{path}: the daemon does not answer within {_TIMEOUT_S:.0f} s; see its log."
        ) from None
    except PermissionError:
        raise PortError(
            f"{path}: permission denied; ask as root or as a member of the daemon's group."
        ) from None
    except OSError as error:
        raise PortError(
            f"{path}: no daemon answers ({error.strerror or error}); start refclock, or name its socket."
        ) from None
    try:
        document = json.loads(data)
    except ValueError:
        document = None
    return document if isinstance(document, dict) else None


def table(document: Fields) -> list[str]:
    """The document for people, in lines of at most 80 columns."""
    daemon = _fields(document, "daemon")
    as_of = _integer(_fields(document, "as_of"), "raw_ns") or 0
    head = f"refclock {_text(daemon, 'version')}, profile {_text(document, 'profile')}"
    lines = [f"{head}, up {_duration(_integer(daemon, 'up_ns'))}, pid {_text(daemon, 'pid')}", ""]
    since = _integer(document, "mode_since_ns")
    mode = _text(document, "mode") + (f" for {_duration(since)}" if since is not None else "")
    lines += _row("mode", f"{mode}: {_text(document, 'mode_reason')}")
    if isinstance(document.get("established"), bool):
        lines += _row("established", "yes" if document["established"] else "no")
    lines += _row("offset", _offset(_fields(document, "last_publish"), as_of))
    bound = _integer(document, "bound_ns")
    lines += _row("bound", "unknown" if bound is None else f"UTC is known to {_span(bound)}")
    lines += _system(document)
    dwell = _fields(document, "dwell")
    if dwell:
        elapsed, needed = (_duration(_integer(dwell, key)) for key in ("elapsed_ns", "needed_ns"))
        lines += _row("dwell", f"{elapsed} of {needed}")
    lines += ["", *_witnesses(document), ""]
    lines += _row("refused", _refusal(_fields(document, "last_withhold"), as_of))
    if document.get("last_accusation"):
        lines += _row("accused", _text(document, "last_accusation"))
    counters = _fields(document, "counters")
    lines += _row(
        "counted", ", ".join(f"{name} {value}" for name, value in counters.items() if value) or "nothing"
    )
    for name, port in _fields(daemon, "ports").items():
        if isinstance(port, dict):
            lines += _row(name, f"{'up' if port.get('up') else 'DOWN'}: {port.get('reason')}")
    for name, state in _fields(daemon, "sinks").items():
        if name.startswith("chrony"):
            lines += _row("chrony", f"{name.removeprefix('chrony ')}: {state}")
    lines += _row("capture", _text(daemon, "capture"))
    slow = f"{_text(daemon, 'turns')} turns, {_text(daemon, 'slow_turns')} over budget"
    return [*lines, *_row("loop", f"{slow}, slowest {_span(_integer(daemon, 'slowest_turn_ns') or 0)}")]


def _system(document: Fields) -> list[str]:
    """What becomes of the system clock: where it is, how fast it runs, and what is wrong with it."""
    system = _fields(document, "system")
    parts = []
    off = _integer(document, "system_off_ns")
    rate, limit = (_integer(system, key) for key in ("rate_ppt", "rate_limit_ppt"))
    if off is not None:
        parts.append(f"{_span(abs(off))} {'ahead of' if off > 0 else 'behind'} the vetted time")
    if rate is not None and limit is not None:
        allowed = show_rate(limit).lstrip("+")
        parts.append(f"runs at {show_rate(rate)} against the counter (allowed {allowed})")
    step = _integer(system, "last_step_ns")
    if step is not None:
        parts.append(f"was set by {show_ns(step)} {_duration(_integer(system, 'last_step_age_ns'))} ago")
    lines = _row("clock", "; ".join(parts)) if parts else []
    alarms = system.get("alarms")
    for alarm in alarms if isinstance(alarms, list) else []:
        worst, unit = _integer(alarm, "worst_value") or 0, _text(alarm, "unit")
        since = f"for {_duration(_integer(alarm, 'for_ns'))}, by up to {show(worst, unit)}"
        told = f"{_text(alarm, 'words')} ({since}); {_text(alarm, 'mend')}"
        lines += _row("ALARM", f"{_text(alarm, 'reason')}: {told}")
    return lines


def _witnesses(document: Fields) -> list[str]:
    """Each witness: state, its interval about where the vetted time is, and how old its word is."""
    rows = document.get("witnesses")
    needed = document.get("witnesses_needed")
    lines = [f"{'witness':<22} {'state':<11} {'interval':<20} {'age':>11}  detail"]
    for row in rows if isinstance(rows, list) else []:
        low, high = _integer(row, "lo_ns"), _integer(row, "hi_ns")
        interval = "-" if low is None or high is None else f"{show_ns(low)} .. {show_ns(high)}"
        age = _integer(row, "age_ns")
        name, state = _clean(row.get("name")), _clean(row.get("state"))
        line = f"{name[:22]:<22} {state[:11]:<11} {interval:<20} {_duration(age):>11}"
        detail = _clean(row.get("detail"))
        if len(line) + 2 + len(detail) <= _WIDTH:
            lines.append(f"{line}  {detail}".rstrip())
        else:
            lines += [line, f"{'':<23}{detail[: _WIDTH - 23]}"]
    return [*lines, f"(besides the receiver {needed} must agree)"] if needed is not None else lines


def _offset(publish: Fields, as_of: int) -> str:
    utc, system = _integer(publish, "utc"), _integer(publish, "sys")
    if utc is None or system is None:
        return "nothing published yet"
    ago = _duration(as_of - (_integer(publish, "raw") or 0))
    return f"UTC minus the system clock was {show_ns(utc - system)}, {ago} ago"


def _refusal(withheld: Fields, as_of: int) -> str:
    if not withheld:
        return "nothing"
    ago = _duration(as_of - (_integer(withheld, "raw") or 0))
    value, limit = _integer(withheld, "value"), _integer(withheld, "limit")
    unit = _text(withheld, "unit")
    numbers = ""
    if unit != "-" and value is not None and limit is not None:
        numbers = f" (found {show(value, unit)}, limit {show(limit, unit).lstrip('+')})"
    mend = _text(withheld, "mend")
    tail = f"; {mend}" if mend != "-" else ""
    return f"{_text(withheld, 'reason')}, {ago} ago: {_text(withheld, 'words')}{numbers}{tail}"


def _row(label: str, text: str) -> list[str]:
    """A labelled text, wrapped under itself."""
    clean = _clean(text)
    wrapped = textwrap.wrap(clean, _WIDTH - _LABEL - 1, break_long_words=True) or [""]
    return [f"{label if i == 0 else '':<{_LABEL}} {part}" for i, part in enumerate(wrapped)]


def _fields(document: Fields, key: str) -> Fields:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def _integer(document: Fields, key: str) -> int | None:
    value = document.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(document: Fields, key: str) -> str:
    return _clean(document.get(key))


def _clean(value: object) -> str:
    """A value as text that cannot drive a terminal; "-" for none."""
    return printable(value) if value not in (None, "") else "-"


def _span(size_ns: int) -> str:
    return show_ns(size_ns).lstrip("+")


def _duration(length_ns: int | None) -> str:
    """A length of time in its two largest units; "-" for none."""
    return "-" if length_ns is None else show_length(length_ns // NS_PER_S)
