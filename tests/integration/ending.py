"""How a program that a test started is ended: by its process id, and at last by force."""

import subprocess
from contextlib import suppress


def end(process: "subprocess.Popen[bytes] | None", seconds: float = 10) -> None:
    """End it, and wait for its end; nothing to do for None."""
    if process is None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
