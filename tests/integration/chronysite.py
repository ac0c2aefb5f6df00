"""Several real chronyds on loopback (``-x`` all of them: no clock is touched), with keys and certificates
of their own, and a reference clock that is fed by hand."""

import os
import pwd
import shutil
import socket
import struct
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

KEY = "1 SHA256 HEX:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"
SOCK_MAGIC = 0x534F434B


class Site:
    """A directory with the programs, keys and certificates, and the daemons that were started in it."""

    def __init__(self, require: Any) -> None:
        self.chronyd, self.chronyc, self.openssl = (
            require(name) for name in ("chronyd", "chronyc", "openssl")
        )
        # Short, for the path of a Unix socket ends at 107 bytes.
        self.home = Path(tempfile.mkdtemp(prefix="cs-"))
        self.keys = self.home / "keys"
        self.keys.touch(0o600)
        self.keys.write_text(KEY)
        self.ends = ExitStack()
        self.ends.callback(shutil.rmtree, self.home, ignore_errors=True)

    def start(self, name: str, *lines: str) -> Path:
        """A chronyd that cannot steer; the path of its command socket."""
        place = self.home / name
        (place / "run").mkdir(mode=0o700, parents=True)
        place.chmod(0o700)
        command = place / "run" / "s.sock"
        own = [
            "cmdport 0",
            f"bindcmdaddress {command}",
            f"pidfile {place}/pid",
            f"user {pwd.getpwuid(os.geteuid()).pw_name}",
            f"keyfile {self.keys}",
        ]
        (place / "conf").write_text("\n".join([*own, *lines, ""]))
        words = [self.chronyd, "-x", "-d", "-f", str(place / "conf")]
        if os.geteuid() != 0:
            words.insert(1, "-U")
        with (place / "log").open("wb") as log:
            child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.ends.callback(stop, child)
        end = time.monotonic() + 10
        while not command.exists():
            assert child.poll() is None, (place / "log").read_text()
            assert time.monotonic() < end, (place / "log").read_text()
            time.sleep(0.02)
        return command

    def certify(self, *addresses: str) -> tuple[Path, Path, Path]:
        """An authority's certificate, and a key and a certificate for these addresses (127.0.0.1)."""
        ca, ca_key, key, cert = (self.home / name for name in ("ca.pem", "ca.key", "key.pem", "cert.pem"))
        extension, request = self.home / "extension", self.home / "request"
        named = ",".join(f"IP:{one}" for one in addresses or ("127.0.0.1",))
        extension.write_text(f"subjectAltName={named}\n")
        signed = f"-CA {ca} -CAkey {ca_key} -CAcreateserial"
        for words in (
            f"req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ours -keyout {ca_key} -out {ca}",
            f"req -newkey rsa:2048 -nodes -subj /CN=127.0.0.1 -keyout {key} -out {request}",
            f"x509 -req -in {request} -days 2 -extfile {extension} -out {cert} {signed}",
        ):
            subprocess.run([self.openssl, *words.split()], check=True, capture_output=True, timeout=60)
        key.chmod(0o600)
        return ca, key, cert

    def asking(self, command: Path) -> str:
        """A chronyc that asks that daemon."""
        path = self.home / f"chronyc-{command.parent.parent.name}"
        path.write_text(f'#!/bin/sh\nexec {self.chronyc} -h {command} "$@"\n')
        path.chmod(0o755)
        return str(path)


def stop(child: "subprocess.Popen[bytes]") -> None:
    child.terminate()
    try:
        child.wait(10)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def sample(offset_s: float) -> bytes:
    """A datagram for chrony's SOCK driver: true time is so far ahead of this host's now."""
    at_us = time.time_ns() // 1000
    return struct.pack("@qqdiiii", at_us // 10**6, at_us % 10**6, offset_s, 0, 0, 0, SOCK_MAGIC)


def feed(path: Path, offset_s: float, seconds: float) -> None:
    """A reference clock that speaks four times a second."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            sock.sendto(sample(offset_s), str(path))
            time.sleep(0.25)
