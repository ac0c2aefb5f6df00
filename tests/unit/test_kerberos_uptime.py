"""UptimeClock and local_deadline. Each test names the draft's clause as docs/requirements.md numbers it."""

import subprocess
import sys

import pytest

from refclock import kerberos
from refclock.kerberos import Mark, UptimeClock, local_deadline
from refclock.units import NS_PER_S
from tests.integration.krb5kdc import libfaketime

HOUR_NS = 3600 * NS_PER_S
BOOT = bytes(range(16))


class Uptime(UptimeClock):
    """One that a test moves on, and reboots."""

    def __init__(self):
        self.boot, self.at_ns = BOOT, 1000 * NS_PER_S

    def now_ns(self):
        return self.at_ns

    def pass_s(self, seconds):
        self.at_ns += int(seconds * NS_PER_S)

    def reboot(self):
        self.boot, self.at_ns = bytes(16), 7 * NS_PER_S


STEPPED = """
import sys, time
from refclock.kerberos import UptimeClock
uptime, path = UptimeClock(), sys.argv[1]
mark, before = uptime.mark(), time.time()
with open(path, "w") as file:
    file.write("-86400")
after = time.time()
print(round((after - before) / 3600), uptime.since(mark) // 10**9)
"""


def test_clause_2_stepping_the_system_clock_leaves_the_uptime_clock_unchanged(tmp_path):
    """The process's own view of the system clock goes back by a day; no clock of the machine is set."""
    path = tmp_path / "shift"
    path.write_text("+0")
    environment = {
        "LD_PRELOAD": libfaketime(), "FAKETIME_TIMESTAMP_FILE": str(path), "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1", "PYTHONPATH": ":".join(sys.path),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", STEPPED, str(path)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["-24", "0"]


def test_clause_2_it_runs():
    uptime = UptimeClock()
    mark = uptime.mark()
    since = uptime.since(mark)
    assert since is not None
    assert 0 <= since < 10 * NS_PER_S


def test_clause_2_a_suspension_counts(monkeypatch):
    uptime = UptimeClock()
    monkeypatch.setattr("refclock.kerberos.uptime.suspended_ns", lambda: 0)
    mark = uptime.mark()
    monkeypatch.setattr("refclock.kerberos.uptime.suspended_ns", lambda: HOUR_NS)
    since = uptime.since(mark)
    assert since is not None
    assert HOUR_NS <= since < HOUR_NS + 10 * NS_PER_S


def test_clause_3_what_was_counted_before_a_reboot_is_no_number():
    uptime = UptimeClock()
    assert uptime.since(Mark(bytes(16), 0)) is None
    assert uptime.since(Mark(uptime.boot, 0)) == pytest.approx(uptime.now_ns(), abs=NS_PER_S)


def test_clause_20_a_session_ends_the_ticket_s_length_from_now():
    """However wrong the clocks are: only the ticket's own length counts."""
    uptime = Uptime()
    deadline = local_deadline(5 * HOUR_NS, 7 * HOUR_NS, uptime)
    assert deadline.left_ns(uptime) == 2 * HOUR_NS
    uptime.pass_s(7199)
    assert not deadline.passed(uptime)
    assert deadline.left_ns(uptime) == NS_PER_S
    uptime.pass_s(1)
    assert deadline.passed(uptime)
    uptime.pass_s(HOUR_NS)
    assert deadline.left_ns(uptime) == 0


def test_clause_20_a_ticket_that_ends_before_it_begins_has_ended():
    uptime = Uptime()
    assert local_deadline(7 * HOUR_NS, 5 * HOUR_NS, uptime).passed(uptime)


def test_clause_3_a_deadline_has_passed_after_a_reboot():
    uptime = Uptime()
    deadline = local_deadline(0, HOUR_NS, uptime)
    uptime.reboot()
    assert deadline.passed(uptime)


def test_the_library_s_names():
    for name in kerberos.__all__:
        assert getattr(kerberos, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Ticket'"):
        kerberos.Ticket  # noqa: B018
