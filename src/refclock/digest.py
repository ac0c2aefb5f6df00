"""SHA-256 for the daemon, without OpenSSL.

hashlib loads OpenSSL, which is 3.7 MiB of a daemon that has 20 (docs/adr/0020). CPython's own module takes a
microsecond for an event's line instead of a fifth of one: nothing for the daemon, too much for a replay.
"""

try:
    from _sha2 import sha256  # type: ignore[import-not-found, unused-ignore]  # Python 3.12 and later
except ImportError:
    try:
        from _sha256 import sha256  # type: ignore[import-not-found, unused-ignore]
    except ImportError:  # an interpreter without either pays with memory
        from hashlib import sha256

__all__ = ["sha256"]
