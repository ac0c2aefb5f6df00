"""The event loop and what it keeps between runs: ports in, decisions out, one thread."""

from refclock.runtime.leapfile import LeapFile
from refclock.runtime.loop import Decider, Runtime
from refclock.runtime.statefile import StateFile
from refclock.runtime.tape import Recorder

__all__ = ["Decider", "LeapFile", "Recorder", "Runtime", "StateFile"]
