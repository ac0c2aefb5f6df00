"""The wheel in a fresh virtual environment: installing from it needs neither the checkout nor a compiler."""

import importlib.util
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    if importlib.util.find_spec("hatchling") is None:
        build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps"]
    else:  # without a registry
        build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    out = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [*build, "-w", str(out), str(ROOT)], capture_output=True, text=True, check=False, timeout=300
    )
    if done.returncode != 0 and os.environ.get("CI") != "true":
        pytest.skip(f"no wheel can be built here: {done.stderr.splitlines()[-1:]}")
    assert done.returncode == 0, done.stderr
    found: Path = next(iter(out.glob("refclock-*.whl")))
    return found


def test_the_wheel_holds_what_install_puts_in_place(wheel):
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
    for name in (
        "systemd/refclock@.service",
        "sysusers.d/refclock.conf",
        "refclock/refclock.toml",
        "krb5/refclock.conf",
    ):
        assert f"refclock/install/files/{name}" in names
    rules = {f"refclock/install/files/udev/{one.name}" for one in (ROOT / "udev").glob("*.rules")}
    assert rules <= names
    assert {"refclock/install/files/man/refclock.8", "refclock/install/files/man/refclock.toml.5"} <= names


def test_install_from_a_fresh_environment(wheel, tmp_path):
    home = tmp_path / "venv"
    venv.create(home, with_pip=True)
    python = str(home / "bin" / "python")
    # Its dependencies are not needed for this, and a registry may be out of reach.
    command = [python, "-m", "pip", "install", "-q", "--no-deps", "--no-index", str(wheel)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def refclock(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(home / "bin" / "refclock"), *words], capture_output=True, text=True, check=False, timeout=60,
            env=environment, cwd=tmp_path,
        )  # fmt: skip

    root = tmp_path / "root"
    # pytest's own directory is below /tmp, which no unit should name.
    refused = refclock("install", "--root", str(root))
    assert refused.returncode == 2
    assert "the daemon's sandbox hides /tmp" in refused.stderr
    done = refclock("install", "--root", str(root), "--program", "/opt/refclock/bin/refclock")
    assert done.returncode == 0, done.stderr
    assert (root / "etc/systemd/system/refclock@.service").is_file()
    assert (root / "usr/local/share/man/man8/refclock.8").is_file()
    assert "What is next:" in done.stdout
    done = refclock("uninstall", "--root", str(root))
    assert done.returncode == 0, done.stderr
    assert not [one for one in root.rglob("*") if one.is_file()]
