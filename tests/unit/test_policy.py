"""The configuration: every refusal names its line, no limit escapes its range, the caps are in the code."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refclock.errors import ConfigError
from refclock.policy import HARD_CAPS_PPT, LIMIT_ROWS, PROFILES, parse_policy
from refclock.policy.limits import profile_limits
from refclock.units import NS_PER_US

COMPLETE = """
profile = "appserver"

[receiver]
device = "/dev/ttyS1"
serial = "FT1"
path = "pci-0000:00:14.0-usb-0:2:1.0"
protocol = "ubx"
baud = 38400
framing = "7E1"
message_delay_us = 1
message_jitter_us = 2

[pps]
device = "/dev/pps1"
edge = "clear"
delay_ns = -5

[rtc]
device = "/sys/class/rtc/rtc1"

[ntp]
servers = ["a", "b:124", "[::1]", "[2001:db8::1]:125", "2001:db8::2"]
poll_s = 16
timeout_ms = 500

[realm]
realm = "EXAMPLE.COM"
kdcs = ["kdc2.example", "[2001:db8::2]:8888"]
poll_s = 60
timeout_ms = 700
transport = "tcp"

[shm]
unit = 2

[status]
socket = "/run/x"

[time]
file = "/run/t"

[state]
file = "/var/x"

[dates]
leap_file = "/usr/x"
not_before = "2027-01-31"
"""


def test_a_complete_file():
    policy = parse_policy(COMPLETE)
    receiver = policy.receiver
    assert (receiver.device, receiver.protocol, receiver.baud) == ("/dev/ttyS1", "ubx", 38400)
    assert (receiver.framing, receiver.message_delay_ns) == ("7E1", NS_PER_US)
    assert receiver.message_jitter_ns == 2 * NS_PER_US
    assert (receiver.serial, receiver.path) == ("FT1", "pci-0000:00:14.0-usb-0:2:1.0")
    assert policy.pps is not None
    assert (policy.pps.device, policy.pps.edge, policy.pps.delay_ns) == ("/dev/pps1", "clear", -5)
    assert policy.rtc is not None
    assert policy.rtc.device == "/sys/class/rtc/rtc1"
    assert policy.ntp.servers == (
        ("a", 123), ("b", 124), ("::1", 123), ("2001:db8::1", 125), ("2001:db8::2", 123),
    )  # fmt: skip
    assert (policy.ntp.poll_s, policy.ntp.timeout_ms, policy.shm_unit) == (16, 500, 2)
    realm = policy.realm
    assert realm.kdcs == (("kdc2.example", 88), ("2001:db8::2", 8888))
    assert realm.peers == ("kdc2.example:88", "[2001:db8::2]:8888")
    assert (realm.realm, realm.poll_s, realm.timeout_ms) == ("EXAMPLE.COM", 60, 700)
    assert realm.transport == "tcp"
    assert (policy.status_socket, policy.state_file, policy.leap_file) == ("/run/x", "/var/x", "/usr/x")
    assert policy.not_before_s == 1_801_353_600
    assert policy.time_file == "/run/t"
    assert policy.limits == profile_limits("appserver")
    assert policy.loosened == ()


def test_a_standard_without_labels_and_what_numbers_it():
    policy = parse_policy("[receiver]\nprotocol='none'\n[cesium]\nedge='clear'\n[companion]\nbaud=4800")
    assert policy.receiver.pulse_only
    assert policy.cesium_is_primary
    assert policy.pulse == policy.cesium
    assert policy.companion is not None
    assert policy.companion.baud == 4800
    both = parse_policy("[receiver]\nprotocol='pps-only'\n[pps]\n[cesium]")
    assert not both.cesium_is_primary
    assert both.pulse == both.pps


def test_an_empty_file_is_a_kdc():
    policy = parse_policy("")
    assert policy.profile == "kdc"
    assert policy.hard_cap_ppt == 10**10
    assert policy.pps is None
    assert policy.rtc is None
    assert policy.ntp.servers == ()
    assert policy.realm.kdcs == ()
    assert (policy.shm_unit, policy.status_socket, policy.state_file, policy.leap_file) == (None,) * 4


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a = ", "conf: not valid TOML"),
        ("\nprofil = 'kdc'", "conf:2: profil: unknown key; did you mean 'profile'?"),
        ("zzz = 1", "conf:1: zzz: unknown key; known keys:"),
        ("profile = 'nasa'", "conf:1: profile: expected one of appserver, kdc, kdc-cesium, found 'nasa'"),
        ("profile = 7", "conf:1: profile: expected"),
        ("receiver = 5", "conf:1: receiver: expected a table, found 5; write it as [receiver]"),
        ("[receiver]\nbaud = 1200", "conf:2: receiver.baud: expected one of 4800"),
        ("[receiver]\nbaud = 9600.0", "conf:2: receiver.baud: expected an integer"),
        ("[receiver]\nprotocol = 'pps-only'", "conf:2: receiver.protocol: without labels all rests on the"),
        ("[pps]\n[companion]\ndevice = '/dev/x'", "conf:2: companion: it numbers the pulses of a receiver"),
        ("[companion]\nprotocol = 'none'", "conf:2: companion.protocol: expected one of auto, "),
        ("[receiver]\n\nprotocol = 'loran'", "conf:3: receiver.protocol: expected one of auto, 5071a, "),
        ("[receiver]\ndevice = ''", "conf:2: receiver.device: expected a non-empty string, found ''"),
        ("[receiver]\nserial = 7", "conf:2: receiver.serial: expected a non-empty string, found 7"),
        ("[receiver]\npath = ''", "conf:2: receiver.path: expected a non-empty string, found ''"),
        ("[receiver]\nframing = '5X5'", "conf:2: receiver.framing"),
        (
            "[receiver]\nmessage_delay_us = -1",
            "conf:2: receiver.message_delay_us: expected an integer from 0",
        ),
        ("[receiver]\nmessage_jitter_us = true", "conf:2: receiver.message_jitter_us"),
        ("[pps]\nedge = 'both'", "conf:2: pps.edge: expected one of assert, clear"),
        ("[pps]\ndelay_ns = 1000001", "conf:2: pps.delay_ns"),
        ("[ntp]\nservers = 'a'", "conf:2: ntp.servers: expected a list"),
        ("[ntp]\nservers = [1]", "conf:2: ntp.servers: expected a list"),
        ("[ntp]\nservers = ['a', 'a:123']", "conf:2: ntp.servers: a server is listed twice"),
        ("[ntp]\nservers = ['a:0']", "conf:2: ntp.servers: expected host, host:port"),
        ("[ntp]\nservers = ['a:65536']", "conf:2: ntp.servers"),
        ("[ntp]\nservers = ['']", "conf:2: ntp.servers"),
        ("[ntp]\nservers = ['[]:1']", "conf:2: ntp.servers"),
        ("[ntp]\nservers = ['a:²']", "conf:2: ntp.servers"),
        ("[ntp]\npoll_s = 0", "conf:2: ntp.poll_s"),
        ("[realm]\nkdcs = []", "conf:1: realm.realm: expected a non-empty string, found ''"),
        ("[realm]\nrealm = 'A B'", "conf:2: realm.realm: expected a realm such as EXAMPLE.COM, found 'A B'"),
        ("[realm]\nrealm = 'A/B'", "conf:2: realm.realm"),
        ("[realm]\nrealm = 'A'\nkdcs = 5", "conf:3: realm.kdcs: expected a list of host or host:port"),
        ("[realm]\nrealm = 'A'\nkdcs = ['a', 'a:88']", "conf:3: realm.kdcs: a server is listed twice"),
        ("[realm]\nrealm = 'A'\nkdcs = ['a:x']", "conf:3: realm.kdcs: expected host, host:port"),
        ("[realm]\nrealm = 'A'\npoll_s = 15", "conf:3: realm.poll_s: expected an integer from 16 to 3600"),
        ("[realm]\nrealm = 'A'\ntransport = 'sctp'", "conf:3: realm.transport: expected one of udp, tcp"),
        ("[shm]\nunit = 256", "conf:2: shm.unit"),
        ("[status]\nsocket = 1", "conf:2: status.socket"),
        ("[limits]\nmask1_offset_us = 0", "conf:2: limits.mask1_offset_us: expected an integer from 1"),
        ("[limits]\nmask1_offset = 5", "did you mean 'mask1_offset_us'?"),
        ("[limits]\nmask1_offset_us = 1001", "conf:2: limits.mask1_offset_us: 1001 is looser"),
        ("[limits]\nmask1_offset_us = 1001\n[loosened]\nmask1_offset_us = ' '", "is looser"),
        ("[limits]\nmask1_offset_us = 1001\n[loosened]\nmask1_offset_us = 5", "is looser"),
        (
            "[limits]\nmask1_offset_us = 9\n[loosened]\nmask1_offset_us = 'x'",
            "conf:4: loosened.mask1_offset_us",
        ),
        ("[loosened]\nmask1_offset_us = 'x'", "conf:2: loosened.mask1_offset_us: nothing is loosened"),
        ("[limits]\nmask2_rate_ppt = 10000000000\n[loosened]\nmask2_rate_ppt = 'x'", "reaches the hard cap"),
        ("limits.dwell_warm_s = 5", "conf:1: limits.dwell_warm_s: 5 is looser"),
    ],
)
def test_each_refusal_names_file_line_and_key(text, complaint):
    with pytest.raises(ConfigError) as caught:
        parse_policy(text, "conf")
    assert complaint in str(caught.value)
    assert str(caught.value).startswith("conf")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "profile = " + "[" * 5000 + "]" * 5000,
        "[shm]\nunit = " + "9" * 5000,
        "x = " + "{a=" * 3000 + "1" + "}" * 3000,
        "\ud800 = 1",
        "'\x00' = 1",
    ],
)
def test_a_hostile_file_is_a_complaint_and_nothing_else(text):
    with pytest.raises(ConfigError):
        parse_policy(text, "conf")


@given(st.text(max_size=200))
def test_any_text_is_a_policy_or_a_complaint(text):
    complaint = "conf"
    try:
        parse_policy(text, "conf")
    except ConfigError as error:
        complaint = str(error)
    assert complaint.startswith("conf")


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("row", LIMIT_ROWS, ids=lambda row: row.key)
def test_every_limit_defaults_tightens_and_loosens_as_its_row_says(profile, row):
    column = PROFILES.index(profile)
    default = row.defaults[column]
    head = f'profile = "{profile}"\n'
    assert row.low <= default <= row.high
    assert getattr(parse_policy(head).limits, row.field) == default * row.scale
    tight, loose = (row.low, row.high) if row.tighter == "lower" else (row.high, row.low)
    cap = row.key in ("mask1_rate_ppt", "mask2_rate_ppt", "system_rate_ppt")
    if cap:
        loose = HARD_CAPS_PPT[profile] - 1
    policy = parse_policy(f"{head}[limits]\n{row.key} = {tight}\n")
    assert getattr(policy.limits, row.field) == tight * row.scale
    assert policy.loosened == ()
    if loose == default:
        return
    with pytest.raises(ConfigError, match="looser"):
        parse_policy(f"{head}[limits]\n{row.key} = {loose}\n")
    policy = parse_policy(f'{head}[limits]\n{row.key} = {loose}\n[loosened]\n{row.key} = "why"\n')
    assert getattr(policy.limits, row.field) == loose * row.scale
    assert [(one.key, one.default, one.chosen, one.reason) for one in policy.loosened] == [
        (row.key, default, loose, "why")
    ]
    for beyond in (row.low - 1, row.high + 1):
        with pytest.raises(ConfigError):
            parse_policy(f'{head}[limits]\n{row.key} = {beyond}\n[loosened]\n{row.key} = "why"\n')


@given(
    st.sampled_from(PROFILES),
    st.dictionaries(st.sampled_from([row.key for row in LIMIT_ROWS]), st.integers(-(10**12), 10**12)),
)
def test_no_file_whatever_moves_the_caps(profile, chosen):
    """Lemma L3: every mask's rate stays below the profile's hard cap."""
    lines = [f'profile = "{profile}"', "[limits]", *(f"{key} = {value}" for key, value in chosen.items())]
    lines += ["[loosened]", *(f'{key} = "why"' for key in chosen)]
    try:
        policy = parse_policy("\n".join(lines))
    except ConfigError:
        return
    cap = 10**11 if profile == "appserver" else 10**10
    assert policy.hard_cap_ppt == cap
    assert policy.limits.mask1_rate_ppt < cap
    assert policy.limits.mask2_rate_ppt < cap


@pytest.mark.parametrize("written", ["127.0.0.1\\u0000x:123", "a b", "a:" + "9" * 5000, "h\\u00e9"])
def test_a_server_is_named_as_a_resolver_reads_it(written):
    with pytest.raises(ConfigError, match="expected host"):
        parse_policy(f'[ntp]\nservers = ["{written}"]', "conf")


@pytest.mark.parametrize(
    ("device", "host", "port", "path"),
    [
        ("gpsd://127.0.0.1:2947/dev/ttyACM0", "127.0.0.1", 2947, "/dev/ttyACM0"),
        ("gpsd://localhost", "127.0.0.1", 2947, ""),
        ("gpsd://127.8.9.255:1/", "127.8.9.255", 1, ""),
        ("gpsd://[::1]/dev/serial/by-id/usb-x", "::1", 2947, "/dev/serial/by-id/usb-x"),
    ],
)
def test_the_address_of_a_gpsd(device, host, port, path):
    settings = parse_policy(f'receiver.device = "{device}"\n[shm]\nunit = 12').receiver
    assert settings.protocol == "gpsd"
    assert settings.gpsd is not None
    assert (settings.gpsd.host, settings.gpsd.port, settings.gpsd.device) == (host, port, path)
    assert settings.gpsd.server == (f"[{host}]:{port}" if ":" in host else f"{host}:{port}")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('device = "gpsd://192.0.2.1"', "device: expected a gpsd on this host"),
        ('device = "gpsd://128.0.0.1"', "device: expected a gpsd on this host"),
        ('device = "gpsd://127.0.0.256"', "device: expected a gpsd on this host"),
        ('device = "gpsd://"', "device: expected a gpsd on this host"),
        ('device = "gpsd://localhost:0"', 'device: expected "gpsd://127.0.0.1:2947/dev/ttyACM0", found'),
        ('device = "gpsd://localhost:65536"', 'device: expected "gpsd://'),
        ('device = "gpsd://::1"', 'device: expected "gpsd://'),
        ('device = "gpsd://localhost/dev/a b"', 'device: expected "gpsd://'),
        ('device = "gpsd://localhost"\nprotocol = "ubx"', "protocol: a gpsd is asked for JSON"),
        ('device = "gpsd://localhost"\nbaud = 9600', "baud: the line is gpsd's"),
        ('device = "gpsd://localhost"\nframing = "8N1"', "framing: the line is gpsd's"),
        ('device = "/dev/ttyS0"\nprotocol = "gpsd"', "expects 'gpsd://127.0.0.1:2947/dev/ttyS0'"),
        ('device = "gpsd://localhost"\n[shm]\nunit = 2', "shm.unit: gpsd, which owns a receiver, writes"),
        ('[pps]\n[companion]\ndevice = "gpsd://192.0.2.1"', "companion.device: expected a gpsd on this host"),
        ('device = "gpsd://localhost"\n[shm]\nunit = 11', "found 11. Choose another here and in chrony.conf"),
    ],
)
def test_a_gpsd_that_is_not_asked(text, complaint):
    with pytest.raises(ConfigError) as caught:
        parse_policy(f"[receiver]\n{text}", "conf")
    assert complaint in str(caught.value)
    assert str(caught.value).startswith("conf:")


def test_chrony_s_socket():
    assert parse_policy("[sock]").sock_path == "/run/chrony.refclock.sock"
    assert parse_policy('[sock]\npath = "/run/x"').sock_path == "/run/x"
    assert parse_policy("").sock_path is None
    with pytest.raises(ConfigError, match=r"conf:2: sock\.path: expected an absolute path, found 'x'"):
        parse_policy("[sock]\npath = 'x'", "conf")


@pytest.mark.parametrize(
    ("device", "name", "refused"),
    [
        ("gpsd://localhost/dev/ttyACM0", "chrony.ttyACM0.sock", True),
        ("gpsd://localhost/dev/ttyACM0", "chrony.pps1.sock", True),
        ("gpsd://localhost/dev/ttyACM0", "chrony.ttyACM1.sock", False),
        ("gpsd://localhost", "chrony.ttyACM1.sock", True),
        ("gpsd://localhost", "chrony.refclock.sock", False),
        ("gpsd://localhost", "feed.sock", False),
        ("/dev/ttyACM0", "chrony.ttyACM0.sock", False),
    ],
)
def test_a_socket_that_gpsd_writes_to_is_refused(device, name, refused):
    text = f'[receiver]\ndevice = "{device}"\n[pps]\ndevice = "/dev/pps1"\n[sock]\npath = "/run/{name}"'
    if refused:
        with pytest.raises(ConfigError, match=r"conf:6: sock\.path: gpsd writes to a socket of that name"):
            parse_policy(text, "conf")
    else:
        assert parse_policy(text, "conf").sock_path == f"/run/{name}"
