"""A scenario document: a TOML file, what it includes, what the caller overrides, and where each key came from."""

from __future__ import annotations

import difflib
import importlib.util
import sys
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Sequence, Tuple, Union

from octogym.cluster.errors import ScenarioError

Path_ = Tuple[str, ...]
#: Prefix of includes that ship with the package: ``octogym:profiles/testbed.toml``.
SHIPPED = "octogym:"
OVERRIDES = "(overrides)"


def dotted(path: Sequence[str]) -> str:
    """`("devices", "nx1", "type")` as ``devices.nx1.type``; a name with a dot or a slash is quoted, as in TOML."""
    plain = [part if part.replace("-", "_").isidentifier() or part.isdigit() else f'"{part}"' for part in path]
    return ".".join(plain) if plain else "(top level)"


def parts(key: str) -> List[str]:
    """The inverse of `dotted`."""
    found, rest = [], key
    while rest:
        if rest[0] == '"' and '"' in rest[1:]:
            end = rest.index('"', 1)
            found.append(rest[1:end])
            rest = rest[end + 1 :].lstrip(".")
        else:
            head, _, rest = rest.partition(".")
            found.append(head)
    return found


def nearest(word: str, known: Iterable[str]) -> str:
    """`` (did you mean 'x'?)``, or nothing when no known name is close."""
    close = difflib.get_close_matches(str(word), [str(name) for name in known], 1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def choices(word: str, known: Iterable[str], what: str = "one of") -> str:
    """What is allowed, as a sentence, with the nearest name first."""
    names = [str(name) for name in known]
    shown = ", ".join(names[:20]) + (f", ... ({len(names)} in all)" if len(names) > 20 else "")
    return f"{what} {shown or '(there are none)'}{nearest(word, names)}"


class Document:
    """Nested tables of plain values. `file` names the main file; `error()` names the file that a key came from."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.data: Dict[str, Any] = {}
        self._origin: Dict[Path_, str] = {}
        self._folders: Dict[str, Path] = {}

    def adopt_origins(self, other: Document) -> None:
        """Name the files of `other` for the keys that came from there."""
        self._origin, self._folders = dict(other._origin), other._folders

    def read_from(self, label: str, file: Path) -> None:
        self._folders[label] = file.parent

    def folder(self, label: str) -> Path:
        """The folder of a file that the document was read from."""
        return self._folders.get(label, Path())

    def origin(self, path: Sequence[str]) -> str:
        """The file that set the key, or the nearest table above it."""
        at = tuple(path)
        while at and at not in self._origin:
            at = at[:-1]
        return self._origin.get(at, self.file)

    def error(self, path: Sequence[str], value: Any, allowed: Any) -> ScenarioError:
        return ScenarioError(self.origin(path), dotted(path), value, allowed)

    def merge(self, data: Mapping[str, Any], file: str, path: Path_ = ()) -> None:
        """Lay `data` over what is there: tables merge key by key, anything else replaces what it meets."""
        target: Dict[str, Any] = self.data
        for part in path:
            target = target[part]
        for key, value in data.items():
            here = (*path, key)
            if isinstance(value, Mapping):
                if key in target and not isinstance(target[key], dict):
                    raise ScenarioError(file, dotted(here), dict(value), f"a plain value, as in {self.origin(here)}")
                if key not in target:
                    target[key] = {}
                    self._origin[here] = file
                self.merge(value, file, here)
            else:
                if isinstance(target.get(key), dict):
                    raise ScenarioError(file, dotted(here), value, f"a table, as in {self.origin(here)}")
                target[key] = value
                self._origin[here] = file

    def override(self, overrides: Mapping[str, Any]) -> None:
        """Set single keys, given dotted (``{"pipelines.traffic.slo_ms": 100}``) or as nested tables."""
        for key, value in overrides.items():
            nested: Any = value
            for part in reversed(parts(key)):
                nested = {part: nested}
            self.merge(nested, OVERRIDES)


def parse_toml(file: Path, label: str) -> Dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(file.read_bytes().decode("utf-8"))
    except OSError as error:
        raise ScenarioError(label, "(file)", str(file), f"a file that can be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise ScenarioError(label, "(file)", f"byte {error.start}", "text in UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(label, "(syntax)", str(error), "valid TOML (https://toml.io)") from None


def shipped_folder() -> Path:
    """The folder that ``octogym:`` stands for in `include`."""
    spec = importlib.util.find_spec("octogym.cluster")
    assert spec is not None and spec.submodule_search_locations
    return Path(next(iter(spec.submodule_search_locations)))


def label_of(file: Path) -> str:
    """How messages name a file: shipped ones with the prefix, others as given."""
    try:
        return SHIPPED + file.resolve().relative_to(shipped_folder().resolve()).as_posix()
    except ValueError:
        return str(file)


def generated_document(data: Mapping[str, Any], label: str, overrides: Mapping[str, Any]) -> Document:
    """A document of values that no file holds, but for the shipped files that they include."""
    document = Document(label)
    for item in data.get("include", ()):
        _include(document, shipped_folder() / item[len(SHIPPED) :], ())
    document.merge({key: value for key, value in data.items() if key != "include"}, label)
    document.override(overrides)
    return document


def read_document(file: Union[str, Path], overrides: Mapping[str, Any]) -> Document:
    """Read `file` with its includes (a later file's keys win over an earlier one's) and apply the overrides."""
    main = Path(file)
    document = Document(label_of(main))
    _include(document, main, ())
    document.override(overrides)
    return document


def _include(document: Document, file: Path, above: Tuple[Path, ...]) -> None:
    label = label_of(file)
    data = parse_toml(file, label)
    includes = data.pop("include", [])
    if not isinstance(includes, list) or not all(isinstance(item, str) for item in includes):
        raise ScenarioError(label, "include", includes, "a list of file names")
    for item in includes:
        inner = shipped_folder() / item[len(SHIPPED) :] if item.startswith(SHIPPED) else file.parent / item
        if not inner.is_file():
            raise ScenarioError(label, "include", item, f"a file beside {file.name}, or {SHIPPED}profiles/NAME.toml")
        if inner.resolve() in [seen.resolve() for seen in (*above, file)]:
            raise ScenarioError(label, "include", item, "a file that does not include this one in turn")
        _include(document, inner, (*above, file))
    document.read_from(label, file)
    document.merge(data, label)
