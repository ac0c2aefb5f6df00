"""An orderly end of the emulated world, however it is asked for."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


@contextmanager
def orderly_end() -> Iterator[None]:
    """SIGTERM and a closed terminal end the run as Ctrl-C does: by clearing everything away."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    before = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore_signals() -> None:
    """From here on the clearing away is not interrupted."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
