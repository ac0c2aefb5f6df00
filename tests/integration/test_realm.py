"""``refclock realm`` with real KDCs, some of which have a wrong clock, and a name server of the test's own.

No clock is set: libfaketime shifts what a KDC's process sees."""

import json
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack

import pytest

from refclock.cli import main
from refclock.errors import NotVettedError
from refclock.kerberos import KdcOffset, srv
from refclock.kerberos.asking import Kdc, ask_kdcs, by_system_clock
from refclock.ports import stamp
from refclock.units import NS_PER_MS, NS_PER_S
from tests.integration.krb5kdc import REALM, Krb5Kdc, free_port
from tests.unit.test_dns import srv as srv_record
from tests.unit.test_dns import u16

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def realm(require_program):
    """Three KDCs: the third's clock is 30 s ahead."""
    programs = require_program("krb5kdc"), require_program("kdb5_util")
    with ExitStack() as stack:
        yield [stack.enter_context(Krb5Kdc(*programs, shift_s=shift)) for shift in (0, 0, 30)]


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch, tmp_path):
    """The machine's own krb5.conf is not asked."""
    path = tmp_path / "krb5.conf"
    path.write_text("")
    monkeypatch.setenv("KRB5_CONFIG", str(path))
    return path


class NameServer:
    """Answers SRV questions on loopback, over UDP and TCP. ``too_long``: over TCP only."""

    def __init__(self, records, too_long=False, code=0):
        self.records, self.too_long, self.code = records, too_long, code
        port = free_port()
        self.written = f"127.0.0.1:{port}"
        self._datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._datagrams.bind(("127.0.0.1", port))
        self._stream = socket.create_server(("127.0.0.1", port))
        self.asked = []
        self._threads = [threading.Thread(target=one) for one in (self._serve_datagrams, self._serve_streams)]
        for thread in self._threads:
            thread.start()

    def answer(self, query, cut):
        end = query.index(b"\0", 12)
        asked, at = [], 12
        while at < end:
            asked.append(query[at + 1 : at + 1 + query[at]].decode())
            at += 1 + query[at]
        self.asked.append(".".join(asked))
        found = [] if cut else self.records.get(self.asked[-1], [])
        flags = 0x8180 | (0x0200 if cut else 0) | (self.code or (0 if found or cut else 3))
        return query[:2] + u16(flags, 1, len(found), 0, 0) + query[12:] + b"".join(found)

    def _serve_datagrams(self):
        while True:
            query, client = self._datagrams.recvfrom(1024)
            if not query:
                return
            self._datagrams.sendto(b"damaged", client)
            self._datagrams.sendto(self.answer(query, self.too_long), client)

    def _serve_streams(self):
        while True:
            stream, _ = self._stream.accept()
            with stream:
                size = int.from_bytes(stream.recv(2))
                if not size:
                    return
                data = self.answer(stream.recv(size), False)
                framed = u16(len(data)) + data
                stream.sendall(framed[:5])
                stream.sendall(framed[5:])

    def close(self):
        """An empty datagram, and an empty connection, end the two threads."""
        place = self._datagrams.getsockname()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"", place)
        socket.create_connection(place).close()
        for thread in self._threads:
            thread.join(10)
        self._datagrams.close()
        self._stream.close()


@pytest.fixture
def name_server():
    made = []

    def new(records, **how):
        made.append(NameServer(records, **how))
        return made[-1]

    yield new
    for one in made:
        one.close()


def listed(kdcs):
    return [word for kdc in kdcs for word in ("--kdc", f"127.0.0.1:{kdc.port}")]


def test_the_one_that_strays_is_named(realm, capsys):
    assert main(["realm", REALM, *listed(realm)]) == 1
    out = capsys.readouterr().out
    rows = [line for line in out.splitlines() if " udp " in line or " tcp " in line]
    assert len(rows) == 6
    assert [("ASTRAY by +30" in row or "ASTRAY by +29" in row) for row in rows] == [False] * 4 + [True] * 2
    assert f"astray: 127.0.0.1:{realm[2].port}." in out
    assert "THIS HOST" not in out
    assert "A clock that is ahead: Do NOT set it back by hand:" in out


def test_for_programs(realm, capsys):
    assert main(["realm", REALM, "--json", *listed(realm)]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["refclock_realm"], told["realm"], told["source"]) == (1, REALM, "--kdc")
    assert (told["agreed"], told["voices"], told["agreeing"], told["host_astray_ns"]) == (True, 4, 3, 0)
    for row in told["kdcs"]:
        shift = 30 * NS_PER_S * (row["peer"] == f"127.0.0.1:{realm[2].port}")
        assert row["low_ns"] <= shift <= row["high_ns"]
        assert row["high_ns"] - row["low_ns"] < NS_PER_S
        assert (row["code"], row["matched"]) == (6, True)
        assert abs(row["astray_ns"] - shift) < NS_PER_S
        assert 0 < row["trip_ns"] < NS_PER_S


def test_those_that_agree(realm, capsys):
    assert main(["realm", REALM, "--tolerance-ms", "200", *listed(realm[:2])]) == 0
    assert "agree within 200 ms, with each other and with this host" in capsys.readouterr().out


def test_most_of_them_say_that_this_host_strays(realm, require_program, capsys):
    with Krb5Kdc(require_program("krb5kdc"), require_program("kdb5_util"), shift_s=30) as another:
        assert main(["realm", REALM, *listed([realm[2], another])]) == 1
    assert "THIS HOST'S CLOCK STRAYS by -" in capsys.readouterr().out


def test_one_against_one(realm, capsys):
    assert main(["realm", REALM, *listed(realm[2:])]) == 1
    assert "nobody can\ntell who is right" in capsys.readouterr().out


def test_a_kdc_that_is_not_there(realm, capsys):
    nobody = free_port()
    words = ["--kdc", f"tcp/127.0.0.1:{nobody}", "--timeout-ms", "300"]
    assert main(["realm", REALM, *words, *listed(realm[:1])]) == 1
    out = capsys.readouterr().out
    assert f"without a time, at least one way: 127.0.0.1:{nobody}" in out
    assert "agree within 1000 ms" in out
    assert main(["realm", REALM, *words]) == 1
    assert "No KDC answers" in capsys.readouterr().out
    assert main(["realm", REALM, "--json", *words, "--kdc", "a" * 70 + ".test"]) == 1
    troubles = [row["trouble"] for row in json.loads(capsys.readouterr().out)["kdcs"]]
    assert troubles[0] == "no answer"
    assert all("the name does not resolve: not a host name" in one for one in troubles[1:])


def test_a_kdc_is_known_better_than_a_second(realm):
    """However many others ask it: MIT's says the same microseconds for a whole second."""
    (udp,) = by_system_clock(ask_kdcs(REALM, [Kdc(("127.0.0.1", realm[0].port), ("udp",))], 2000))
    assert udp.low_ns <= 0 <= udp.high_ns
    assert udp.high_ns - udp.low_ns < 200 * NS_PER_MS


@pytest.mark.parametrize("too_long", [False, True])
def test_kdcs_are_found_in_the_dns(realm, name_server, capsys, too_long):
    places = [("localhost.", kdc.port) for kdc in realm]
    records = {
        f"_kerberos._udp.{REALM}": [srv_record(*places[0]), srv_record(*places[1], priority=5)],
        f"_kerberos._tcp.{REALM}": [srv_record(*places[0]), srv_record(".")],
    }
    server = name_server(records, too_long=too_long)
    assert main(["realm", REALM, "--dns", server.written]) == 0
    out = capsys.readouterr().out
    assert "KDCs from DNS" in out
    peers = [line.split()[:2] for line in out.splitlines() if " udp " in line or " tcp " in line]
    first, second = (f"localhost:{kdc.port}" for kdc in realm[:2])
    assert peers == [[second, "udp"], [first, "udp"], [first, "tcp"]]
    assert f"_kerberos._tcp.{REALM}" in server.asked


def test_the_dns_knows_none(name_server, capsys):
    server = name_server({})
    assert main(["realm", "NONE.TEST", "--dns", server.written]) == 2
    assert "names a KDC; name some with --kdc" in capsys.readouterr().err


def test_the_dns_cannot_be_asked(name_server, capsys, monkeypatch):
    server = name_server({}, code=2)
    assert main(["realm", "NONE.TEST", "--dns", server.written]) == 1
    assert "the DNS cannot be asked: 127.0.0.1: error 2" in capsys.readouterr().err
    monkeypatch.setattr(srv, "_TIMEOUT_S", 0.1)
    assert main(["realm", "NONE.TEST", "--dns", f"127.0.0.1:{free_port()}"]) == 1
    assert "the DNS cannot be asked" in capsys.readouterr().err
    assert main(["realm", "A..B", "--dns", server.written]) == 1
    assert "no domain name" in capsys.readouterr().err


def test_krb5_conf_names_realm_and_kdcs(realm, no_configuration, capsys):
    kdcs = "".join(f"  kdc = 127.0.0.1:{kdc.port}\n" for kdc in realm[:2])
    no_configuration.write_text(
        f"[libdefaults]\n default_realm = {REALM}\n[realms]\n {REALM} = {{\n{kdcs}"
        f"  kdc = udp/127.0.0.1:{realm[0].port}\n  kdc = https://proxy/KdcProxy\n }}\n"
    )
    assert main(["realm"]) == 0
    out = capsys.readouterr().out
    assert f"realm {REALM}, KDCs from {no_configuration}" in out
    assert len([line for line in out.splitlines() if line.startswith("127.0.0.1:")]) == 4


def test_the_configuration_names_realm_and_kdcs(realm, tmp_path, capsys):
    path = tmp_path / "refclock.toml"
    path.write_text(f'[realm]\nrealm = "{REALM}"\nkdcs = ["127.0.0.1:{realm[0].port}"]\n')
    assert main(["realm", "--config", str(path)]) == 0
    assert f"KDCs from {path}" in capsys.readouterr().out


def test_check_looks_at_the_kdcs_too(realm, tmp_path, capsys):
    path = tmp_path / "refclock.toml"
    kdcs = [f"127.0.0.1:{port}" for port in (realm[0].port, realm[2].port, free_port())]
    path.write_text(f'[realm]\nrealm = "{REALM}"\ntimeout_ms = 500\nkdcs = {json.dumps(kdcs)}\n')
    main(["check", "--config", str(path)])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines if line[1:2] == ["KDC"]] == ["ok", "warn", "warn"]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "no realm: "),
        (["A/B"], "REALM: expected a realm"),
        ([REALM, "--kdc", "a:x"], "--kdc: expected host"),
        ([REALM, "--dns", "a:x"], "--dns: expected host"),
    ],
)
def test_what_cannot_be_asked(words, complaint, capsys):
    assert main(["realm", *words]) == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0", "x", "-5", "300001"])
def test_a_tolerance_that_is_none(text, capsys):
    with pytest.raises(SystemExit):
        main(["realm", REALM, "--tolerance-ms", text])
    assert "expected 1 to 300000 milliseconds" in capsys.readouterr().err


def test_name_servers_of_this_host(tmp_path):
    path = tmp_path / "resolv.conf"
    path.write_text(
        "# x\nsearch a\nnameserver 192.0.2.1\nnameserver\nnameserver ::1\n" + "nameserver 192.0.2.9\n" * 3
    )
    assert srv.name_servers(str(path)) == [("192.0.2.1", 53), ("::1", 53), ("192.0.2.9", 53)]
    assert srv.name_servers(str(tmp_path / "none")) == [("127.0.0.1", 53)]


def test_a_connection_that_ends_too_early():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(b"ab")
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(OSError, match="reset"):
            srv._exactly(ours, 3)


def test_as_a_program(realm):
    """Nothing but what is asked goes to standard output."""
    words = ["refclock", "realm", REALM, "--json", "--kdc", f"udp/127.0.0.1:{realm[0].port}"]
    done = subprocess.run([sys.executable, "-m", *words], capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["agreeing"] == 2


def test_clause_1_the_offset_to_a_kdc_whose_clock_is_ahead(realm):
    offset = KdcOffset(REALM, [Kdc(("127.0.0.1", realm[2].port))])
    with pytest.raises(NotVettedError, match="no KDC was asked"):
        offset.now()
    offset.refresh()
    told, ours_ns = offset.now(), stamp.now()[1]
    assert told.earliest_ns <= ours_ns + 30 * NS_PER_S
    assert ours_ns + 30 * NS_PER_S - NS_PER_S < told.latest_ns
    assert told.bound_ns < 200 * NS_PER_MS
    assert told.chain == (f"kdc:127.0.0.1:{realm[2].port}",)
    offset.refresh()
    assert offset.now().utc_ns > told.utc_ns
