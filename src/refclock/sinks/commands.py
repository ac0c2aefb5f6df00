"""What a client of the status socket says before it is answered: nothing, or one command as a line of JSON.

Nothing waits for a client. One whose command came too late was not obeyed: it gets the status document, or
a closed line, and may try again.
"""

import json
import socket
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress

from refclock.jsonform import dump

ANSWER_VERSION = 1
_MAX_SIZE = 1 << 16
_CREDENTIALS = struct.Struct("3i")  # struct ucred (unix(7)): pid, uid, gid

Request = Mapping[str, object]
# Takes a request and the uid that asked; returns whether it was done, and the words to say.
Commander = Callable[[Request, int], tuple[bool, str]]


def heard(client: socket.socket) -> bytes:
    """What lies in the socket, without waiting; nothing for who does not begin a JSON object."""
    with suppress(OSError):
        data = client.recv(_MAX_SIZE, socket.MSG_DONTWAIT)
        return data if data.startswith(b"{") else b""
    return b""


def answer(client: socket.socket, line: bytes, commander: Commander, allowed: tuple[int, ...]) -> bytes:
    """Have a command done, if its sender may, and say how it went: one line of JSON."""
    uid = _CREDENTIALS.unpack(client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))[1]
    done, words = _judge(line, uid, commander, allowed)
    return dump({"refclock_answer": ANSWER_VERSION, "done": done, "text": words}).encode() + b"\n"


def _judge(line: bytes, uid: int, commander: Commander, allowed: tuple[int, ...]) -> tuple[bool, str]:
    if uid not in allowed:
        mine = " or ".join(sorted({f"{one}" for one in allowed}))
        return False, f"uid {uid} may ask, but not command; only uid {mine} may"
    try:
        request = json.loads(line) if line.endswith(b"\n") and line.count(b"\n") == 1 else None
    except (ValueError, RecursionError):
        request = None
    if not isinstance(request, dict) or not isinstance(request.get("verb"), str):
        return (
            False,
            f'expected one line of JSON of at most {_MAX_SIZE} bytes: {{"verb":"rearm",...}}',
        )
    return commander(request, uid)
