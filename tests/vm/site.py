"""The guest as a KDC's administrator sets it up: the wheel, ``refclock install``, chrony, a realm."""

from collections.abc import Sequence
from pathlib import Path

from refclock.units import PPT_PER_PPM
from tests.vm.image import HOME
from tests.vm.machine import Machine

NAME = "gnss0"
CONFIG = f"/etc/refclock/{NAME}.toml"
UNIT = f"refclock@{NAME}.service"
STATE = "/var/lib/refclock"
CAPTURE, DECISIONS = f"{STATE}/capture.jsonl", f"{STATE}/decisions.jsonl"
SOCKET = f"/run/refclock/{NAME}.sock"
CHRONY_SOCKET = f"/run/chrony.refclock.{NAME}.sock"
CHRONY_CONF = "/etc/chrony/chrony.conf"
SHM_UNIT = 20
# The sections of a configuration that lead to chrony.
BY_SHM, BY_SOCK = f"[shm]\nunit = {SHM_UNIT}", f'[sock]\npath = "{CHRONY_SOCKET}"'
GATEWAY = "10.0.2.2"
REALM = "EXAMPLE.TEST"
_PASSWORD = "for-a-test-only"
# A run of minutes, not of days: how long things must have lasted is shortened, and said. No limit on what is
# believed is touched.
SHORTENED = {
    "dwell_cold_s": (10, "a run in a virtual machine lasts minutes; keep the default on a real host"),
    "dwell_warm_s": (10, "a run in a virtual machine lasts minutes; keep the default on a real host"),
    "proof_s": (5, "a run in a virtual machine lasts minutes; keep the default on a real host"),
    "episodes_per_day": (24, "many attacks follow each other here, and an emulator's edge may come late"),
}
_ENROLLED = {"ppt": 0, "unc_ppt": 50 * PPT_PER_PPM}
# One sample a second, as shipped, but chronyd looks four times as often: a run lasts minutes.
_SOURCE = "refid RCLK poll 2 dpoll -1 filter 4 delay 2e-4 precision 1e-6 maxdispersion 1e-3 maxsamples 32"
# Nobody here speaks NTS.
_NTS = ("server ", "authselectmode ", "minsources ")


def chrony(shipped: str, sink: str) -> str:
    """The chrony.conf that `refclock install` left, with this machine's way and without servers."""
    kept = [one for one in shipped.splitlines() if not one.startswith((*_NTS, "refclock ", "#"))]
    way = f"SHM {SHM_UNIT}" if "shm" in sink else f"SOCK {CHRONY_SOCKET}"
    return "\n".join([f"refclock {way} {_SOURCE}", *filter(None, kept)]) + "\n"


def configuration(protocol: str, ports: Sequence[int], sink: str, extra: str = "") -> str:
    """/etc/refclock/NAME.toml; ``sink`` is the section that leads to chrony."""
    servers = ", ".join(f'"{GATEWAY}:{port}"' for port in ports)
    return "\n".join(
        [
            'profile = "kdc"',
            "[receiver]", f'device = "/dev/refclock/{NAME}"', f'protocol = "{protocol}"',
            "[pps]", f'device = "/dev/refclock/{NAME}.pps"',
            "[rtc]",
            "[ntp]", f"servers = [{servers}]", "poll_s = 4",
            sink,
            "[status]", f'socket = "{SOCKET}"',
            "[time]", 'file = "/run/refclock/time"',
            "[state]", f'file = "{STATE}/{NAME}.json"',
            "[dates]", 'leap_file = "/usr/share/zoneinfo/leap-seconds.list"',
            "[limits]", *(f"{key} = {value}" for key, (value, _) in SHORTENED.items()),
            "[loosened]", *(f'{key} = "{why}"' for key, (_, why) in SHORTENED.items()),
            extra,
        ]
    )  # fmt: skip


def install(machine: Machine, wheel: Path) -> str:
    """From the wheel to `refclock install`, as docs/guide.md has it; what install said."""
    machine.put(f"/root/{wheel.name}", wheel.read_bytes())
    machine.run(f"{HOME}/bin/pip install -q --no-index --no-deps /root/{wheel.name}", timeout_s=300)
    machine.run(f"ln -sf {HOME}/bin/refclock /usr/local/bin/refclock")
    told = machine.run(f"refclock install --profile kdc --name {NAME}").output
    machine.run("systemd-sysusers && systemd-tmpfiles --create && systemctl daemon-reload")
    machine.run(f"refclock detect --enroll {NAME} /dev/ttyS1 --rules-dir /etc/udev/rules.d")
    machine.run("udevadm control --reload && udevadm trigger --settle --action=add -s tty -s pps")
    return told


def network(machine: Machine) -> None:
    """The emulator's own network, in which the host is the gateway."""
    machine.put(
        "/etc/systemd/network/eth0.network",
        f"[Match]\nName=eth0\n[Network]\nAddress=10.0.2.15/24\nGateway={GATEWAY}\nIPv6AcceptRA=no\n",
    )
    machine.run("systemctl -q enable --now systemd-networkd")


def configure(machine: Machine, protocol: str, ports: Sequence[int], sink: str) -> None:
    """The configuration, chrony's, and the capture that a failure is looked into with."""
    machine.put(CONFIG, configuration(protocol, ports, sink))
    shipped = machine.run(f"cat /etc/refclock/{NAME}.chrony.conf").output
    machine.put(CHRONY_CONF, chrony(shipped, sink))
    machine.put(
        f"/etc/systemd/system/{UNIT}.d/capture.conf",
        "[Service]\nExecStart=\n"
        f"ExecStart={HOME}/bin/refclock run --config {CONFIG} --capture {CAPTURE} --decisions {DECISIONS}\n",
    )
    machine.run("systemctl daemon-reload")


def enroll(machine: Machine, name: str = NAME) -> None:
    """What hours of `refclock enroll` would measure, as widely as an emulated counter deserves: its rate,
    which each boot finds anew, and the battery clock's are within 50 ppm. A short dwell can't tell."""
    rates = {f"{clock}_rate_{what}": value for clock in ("raw", "rtc") for what, value in _ENROLLED.items()}
    code = f"raise SystemExit(tell('/run/refclock/{name}.sock', {rates | {'verb': 'enroll'}}))\n"
    machine.put("/root/enroll.py", f"from refclock.cli.operator import tell\n{code}")
    machine.run(f"{HOME}/bin/python /root/enroll.py")


def realm(machine: Machine) -> None:
    """A realm with one user."""
    machine.put(
        "/etc/krb5.conf",
        f"[libdefaults]\n default_realm = {REALM}\n dns_lookup_kdc = false\n dns_lookup_realm = false\n"
        f"[realms]\n {REALM} = {{\n  kdc = 127.0.0.1\n }}\n",
    )
    machine.put("/etc/krb5kdc/kdc.conf", f"[realms]\n {REALM} = {{\n  max_life = 1h\n }}\n")
    machine.run(f"kdb5_util create -s -P '{_PASSWORD}'", timeout_s=300)
    machine.run(f'kadmin.local -q "addprinc -pw {_PASSWORD} +requires_preauth user"', timeout_s=300)


def kinit(machine: Machine) -> str:
    """A ticket from the KDC; what klist says of it. Raises GuestError where there is none."""
    machine.run(f"echo '{_PASSWORD}' | kinit user")
    return machine.run("klist").output
