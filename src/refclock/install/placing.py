"""Writing and removing files so that nothing of anybody's is lost.

A manifest keeps the digest of each file as it was written. A file that still has it is ours to replace or to
remove; one that has not was edited, and stays. All of it is below a root, which may be an image's.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from refclock.errors import ConfigError, PortError
from refclock.install.planning import Item

MANIFEST = "etc/refclock/.installed.json"
_VERSION = 1
NEW = ".new"
_MODE = 0o644


@dataclass(frozen=True, slots=True)
class Deed:
    """What was done with a file ("wrote", "updated", "unchanged", "kept", "left out", "removed"), and why."""

    verb: str
    path: str
    why: str = ""


class Manifest:
    """The digests of what was written, by path below the root."""

    def __init__(self, root: Path) -> None:
        """Raises ConfigError for a manifest that is none."""
        self._path = root / MANIFEST
        self.files: dict[str, str] = {}
        try:
            told = json.loads(self._path.read_bytes())
            if told["version"] != _VERSION:
                raise ConfigError(
                    f"{self._path}: version {told['version']}, expected {_VERSION}: use the newer refclock."
                )
            self.files = {str(path): str(digest) for path, digest in told["files"].items()}
        except FileNotFoundError:
            pass
        except OSError as error:
            raise _denied(self._path, error) from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ConfigError(
                f"{self._path}: not what refclock wrote there; remove it, and every file counts as edited."
            ) from None

    def save(self) -> None:
        """Write it, or remove it once it is empty."""
        if self.files:
            text = json.dumps({"version": _VERSION, "files": dict(sorted(self.files.items()))}, indent=1)
            _write(self._path, text.encode() + b"\n")
        else:
            self._path.unlink(missing_ok=True)


def place(root: Path, items: Sequence[Item], dry: bool) -> Iterator[Deed]:
    """Put every file in place; ``dry`` only tells. Raises PortError where something cannot be written."""
    manifest = Manifest(root)
    for item in items:
        deed = _judge(root, item, manifest)
        if not dry:
            if deed.verb in ("wrote", "updated"):
                _write(root / item.path, item.content)
            elif deed.verb == "kept" and not (root / item.path).is_symlink():
                _write(root / f"{item.path}{NEW}", item.content)
            if deed.verb in ("wrote", "updated", "unchanged"):
                manifest.files[item.path] = _digest(item.content)
                manifest.save()
        yield deed


def _judge(root: Path, item: Item, manifest: Manifest) -> Deed:
    target, ours = root / item.path, manifest.files.get(item.path)
    if target.is_symlink():
        return Deed("kept", item.path, "it is a symbolic link (a masked unit?)")
    found = _read(target)
    if found is None:
        if ours is not None:
            return Deed("left out", item.path, "it was removed since; uninstall and install to have it back")
        return Deed("wrote", item.path, item.what)
    if found == item.content:
        return Deed("unchanged", item.path)
    if ours is not None and _digest(found) == ours:
        return Deed("updated", item.path, item.what)
    whose = "it was edited" if ours is not None else "it was there before"
    return Deed(
        "kept", item.path, f"{whose}; this version's is beside it, {os.path.basename(item.path)}{NEW}"
    )


def remove(root: Path, dry: bool) -> Iterator[Deed]:
    """Remove what was written and not edited, then directories that became empty."""
    manifest = Manifest(root)
    for path in sorted(manifest.files, reverse=True):
        target = root / path
        found = None if target.is_symlink() else _read(target)
        if found is not None and _digest(found) != manifest.files[path]:
            yield Deed("kept", path, "it was edited")
        elif found is not None:
            if not dry:
                _attempt(target, target.unlink)
            yield Deed("removed", path)
        if not dry:
            _attempt(target, lambda target=target: Path(f"{target}{NEW}").unlink(missing_ok=True))  # type: ignore[misc]
            del manifest.files[path]
            _attempt(target, manifest.save)
            for directory in (target.parent, root / "etc/refclock"):
                if directory.name == "refclock" or directory.name.endswith(".service.d"):
                    with suppress(OSError):  # something else is in it
                        directory.rmdir()


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _denied(path, error) from None


def _write(path: Path, content: bytes) -> None:
    """The file is there whole or not at all."""
    fresh = path.with_name(f".{path.name}.writing")

    def write() -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.unlink(missing_ok=True)
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.chmod(_MODE)
        fresh.rename(path)

    try:
        _attempt(path, write)
    finally:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)


def _attempt(path: Path, act: Callable[[], object]) -> None:
    try:
        act()
    except OSError as error:
        raise _denied(path, error) from None


def _denied(path: Path, error: OSError) -> PortError:
    return PortError(f"{path}: {error.strerror}; run it as root, or below another --root.")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
