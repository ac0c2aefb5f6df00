"""The image that every machine here starts from."""

import os
import platform
import shutil
import subprocess
from collections.abc import Callable

import pytest

from tests.vm.image import PROGRAMS, Image, image

# About an hour, and about others' programs: played when it is asked for.
collect_ignore = [] if os.environ.get("REFCLOCK_VM") in ("peers", "all") else ["test_peers.py"]


def _barred() -> str:
    """What no installation mends; "" for nothing."""
    if platform.machine() != "x86_64" or os.geteuid() != 0:
        return "needs root on x86-64: Debian is unpacked into a directory"
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        return "no mount namespace can be made here"
    return ""


def _missing() -> str:
    """Which programs are not installed; "" for none."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    missing = [name for name in PROGRAMS if shutil.which(name, path=path) is None]
    return f"{', '.join(missing)} not installed; `make setup` says how to get them" if missing else ""


@pytest.fixture(scope="session")
def guest_image() -> Image:
    barred, missing = _barred(), _missing()
    if barred:
        pytest.skip(barred)
    if missing:
        pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)
    try:
        return image()
    except subprocess.CalledProcessError as error:
        pytest.fail(f"the image cannot be built: {' '.join(error.cmd)}\n{error.stderr}")


@pytest.fixture(scope="session")
def say(request) -> Callable[[str], None]:
    """A function that prints a line at once, whatever pytest captures."""
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def line(text: str) -> None:
        with capture.global_and_fixture_disabled():
            print(text, flush=True)

    return line
