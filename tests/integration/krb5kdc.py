"""Real KDCs (MIT's krb5kdc) on loopback, each with a clock of its own: libfaketime shifts what the process
sees, and nobody's clock is touched. Each is stopped by the process id that starting it gave."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.integration.ending import end

REALM = "EXAMPLE.TEST"


def libfaketime() -> str:
    """The library that Debian's package ``faketime`` brings."""
    for path in sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")):
        return str(path)
    if os.environ.get("CI") == "true":
        pytest.fail("libfaketime is not installed; `make setup` says how to get it")
    pytest.skip("libfaketime is not installed")


class Krb5Kdc:
    """A context in which a KDC of REALM answers at ``port``, over UDP and TCP, its clock being shifted by
    so many seconds. It has a directory, a database and a configuration of its own."""

    def __init__(self, krb5kdc: str, kdb5_util: str, shift_s: int = 0) -> None:
        self._krb5kdc, self._kdb5_util, self._shift_s = krb5kdc, kdb5_util, shift_s
        self.directory = Path(tempfile.mkdtemp(prefix="krb5-"))
        self.log = self.directory / "log"
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        here = self.directory
        (here / "krb5.conf").write_text(
            f"[libdefaults]\n default_realm = {REALM}\n dns_lookup_kdc = false\n dns_lookup_realm = false\n"
        )
        (here / "kdc.conf").write_text(
            f"[kdcdefaults]\n kdc_listen = 127.0.0.1:{self.port}\n kdc_tcp_listen = 127.0.0.1:{self.port}\n"
            f"[realms]\n {REALM} = {{\n  database_name = {here}/principal\n"
            f"  key_stash_file = {here}/stash\n  acl_file = {here}/acl\n }}\n"
            f"[logging]\n kdc = FILE:{self.log}\n"
        )
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "KRB5_CONFIG": str(here / "krb5.conf"),
            "KRB5_KDC_PROFILE": str(here / "kdc.conf"),
        }
        create = [self._kdb5_util, "create", "-s", "-r", REALM, "-P", "for a test only"]
        subprocess.run(create, env=environment, check=True, capture_output=True, timeout=60)
        if self._shift_s:
            environment |= {"LD_PRELOAD": libfaketime(), "FAKETIME": f"{self._shift_s:+d}s"}
            environment |= {"FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        with (here / "output").open("wb") as output:
            self._process = subprocess.Popen(
                [self._krb5kdc, "-n", "-r", REALM, "-P", str(here / "pid")],
                env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
        try:
            self._await_service()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _await_service(self) -> None:
        assert self._process is not None
        limit = time.monotonic() + 20
        while time.monotonic() < limit:
            if self._process.poll() is not None:
                raise AssertionError(f"krb5kdc ended at once:\n{(self.directory / 'output').read_text()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError("krb5kdc accepted no connection in 20 s")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        end(self._process)
        shutil.rmtree(self.directory, ignore_errors=True)


def free_port() -> int:
    """A port on loopback that nobody uses, neither over UDP nor TCP."""
    for _ in range(50):
        with socket.create_server(("127.0.0.1", 0)) as stream:
            port = int(stream.getsockname()[1])
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
                try:
                    datagrams.bind(("127.0.0.1", port))
                except OSError:
                    continue
                return port
    raise AssertionError("no free port")
