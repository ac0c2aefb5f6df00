"""A leap second told by gpsd, which cannot say :60 and says 00:00:00 twice: what the vetting makes of it."""

import json
import re
from pathlib import Path

import pytest

from refclock import cli
from refclock.capture import CaptureReader, CaptureWriter
from refclock.model import Command, SerialBytes
from refclock.wire.calendar import show_utc
from refclock.wire.report import Label
from refclock.wire.scanner import Scanner

CAPTURE = Path(__file__).resolve().parents[2] / "hw-fixtures" / "incidents" / "leap-second-60.jsonl.xz"
LEAP_S = 1_483_228_800
TABLE = {"expires_s": LEAP_S + 8_640_000, "steps": [[1_435_708_800, 36], [LEAP_S, 37]]}
COLD = """
[limits]
dwell_cold_s = 120
[loosened]
dwell_cold_s = "the capture lasts twelve minutes"
"""


def retell(out: Path, leap_file: bool) -> None:
    """The incident's seconds, as a gpsd tells them that was seen before such a receiver."""
    with CaptureReader(str(CAPTURE)) as reader:
        header = {
            key: value for key, value in reader.header.items() if key not in ("refclock_capture", "expect")
        }
        receiver = '[receiver]\ndevice = "gpsd://127.0.0.1"\n\n'
        header["policy"] = re.sub(r"\[receiver\].*?\n\n", receiver, str(header["policy"]), flags=re.S) + COLD
        scanner, first = Scanner(), True
        with CaptureWriter(str(out), header) as writer:
            for event in reader:
                if leap_file and first:
                    writer.write(Command(event.raw_ns, event.real_ns, event.unc_ns, "leap-table", TABLE))
                first = False
                if not isinstance(event, SerialBytes):
                    writer.write(event)
                    continue
                for report in scanner.feed(event.data):
                    if isinstance(report, Label) and report.message == "RMC":
                        time = show_utc(report.utc_s + report.second60)
                        line = (
                            f'{{"class":"TPV","device":"/dev/x","mode":3,"time":"{time}.000Z"}}\r\n'.encode()
                        )
                        stamp = (event.raw_ns, event.real_ns, event.unc_ns)
                        writer.write(SerialBytes(*stamp, port="gps0", data=line))


def test_the_capture_says_midnight_twice(tmp_path):
    retell(tmp_path / "told.jsonl", leap_file=False)
    assert (tmp_path / "told.jsonl").read_text().count("2017-01-01T00:00:00.000Z") == 2


@pytest.mark.parametrize("leap_file", [True, False], ids=["with a leap file", "without"])
def test_no_second_is_published_under_a_wrong_name(tmp_path, capsys, leap_file):
    out = tmp_path / "told.jsonl"
    retell(out, leap_file)
    cli.main(["replay", str(out), "--decisions"])
    decisions = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    named = [one["utc"] // 10**9 for one in decisions if one["d"] == "publish"]
    assert LEAP_S - 1 in named
    assert LEAP_S not in named
    modes = [one["to"] for one in decisions if one["d"] == "mode"]
    if leap_file:
        assert LEAP_S + 1 in named
        assert modes[-1] == "vetted"
    else:  # nobody knew: it stays out, and says so
        assert named[-1] == LEAP_S - 1
        assert modes[-1] == "locked"
    cli.main(["replay", str(out), "--summary"])
    assert "0 outside their bound" in capsys.readouterr().out
