"""MIT's replay cache file, of type file2 (krb5 1.18 and later; src/lib/krb5/rcache/rc_file2.c there).

A seed of 16 bytes, then records of 16: a tag of 12 bytes from the authenticator's ciphertext, and the
server's own time, in 32 bits, when it was stored. 0 is a place that was never used. The file knows nothing of
what it forgot: a record that is older than the clock skew may be written over, and leaves no trace.
"""

_SEED, _TAG, _RECORD = 16, 12, 16


def stamps(data: bytes) -> list[int]:
    """The server's times (POSIX s) of all records, as they lie; what is cut off at the end is left out."""
    whole = range(_SEED, len(data) - _RECORD + 1, _RECORD)
    found = (int.from_bytes(data[at + _TAG : at + _RECORD]) for at in whole)
    return [one for one in found if one]
