"""A configuration file's text beside its values, so that every complaint can name file, line and key."""

import tomllib
from collections.abc import Mapping

from refclock.errors import ConfigError


class Document:
    """One file. ``fail`` makes the complaint, and every other method raises it (ConfigError)."""

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self._lines = text.splitlines()
        try:
            self.tables: Mapping[str, object] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{name}: not valid TOML: {error}. Mend the syntax at that place.") from None
        except (ValueError, RecursionError):
            # A number of thousands of digits, or brackets nested as deep.
            raise ConfigError(f"{name}: not a configuration: it holds a monstrous value.") from None

    def line(self, table: str, key: str = "") -> int:
        """The line (1-based) of a key in a table, of the table's header, or 1 if it cannot be told."""
        current, header_line = "", 1
        for number, line in enumerate(self._lines, 1):
            bare = line.strip()
            if bare.startswith("["):
                current = bare.strip("[]").split("]")[0].strip()
                if current == table or (not table and current == key):
                    header_line = number
            else:
                left = bare.split("=", 1)[0].strip().strip("\"'")
                if (current == table and left == key) or (not current and left == f"{table}.{key}"):
                    return number
                if not current and key == "" and left == table:
                    return number
        return header_line

    def fail(self, table: str, key: str, problem: str) -> ConfigError:
        where = f"{table}.{key}" if table and key else table or key
        return ConfigError(f"{self.name}:{self.line(table, key)}: {where}: {problem}")

    def refuse_unknown(self, table: str, found: Mapping[str, object], known: tuple[str, ...]) -> None:
        for key in found:
            if key not in known:
                # Only for one who mistyped: it is not to be paid for at each start.
                from difflib import get_close_matches  # noqa: PLC0415

                near = get_close_matches(key, known, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}."
                raise self.fail(table, key, f"unknown key; {hint}")

    def table(self, name: str, known: tuple[str, ...]) -> Mapping[str, object] | None:
        found = self.tables.get(name)
        if found is None:
            return None
        if not isinstance(found, dict):
            raise self.fail(name, "", f"expected a table, found {found!r}; write it as [{name}].")
        self.refuse_unknown(name, found, known)
        return found

    def integer(self, table: str, key: str, value: object, low: int, high: int) -> int:
        # bool is a subclass of int, and `true` is never what was meant.
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.fail(table, key, f"expected an integer from {low} to {high}, found {value!r}.")
        return value

    def text(self, table: str, key: str, value: object, choices: tuple[str, ...] = ()) -> str:
        if not isinstance(value, str) or not value or (choices and value not in choices):
            wanted = "one of " + ", ".join(choices) if choices else "a non-empty string"
            raise self.fail(table, key, f"expected {wanted}, found {value!r}.")
        return value
