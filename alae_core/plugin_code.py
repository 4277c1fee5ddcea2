"""Loading plug-ins that define algorithms, families of networks and objectives (docs/your-own.md).

A plug-in is a Python file, a module, or a package with entry points. It is loaded without Keras, as configurations are.
A configuration records the plug-ins that it uses, a file by its name and SHA-256. Code that a configuration or a
checkpoint names runs only if the user has given it to `load_plugin` on this machine before: the directory `plugins` of
the cache keeps a copy of each file, by its SHA-256, and a mark for each module. Installed packages are trusted.
"""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from importlib import import_module
from importlib.metadata import EntryPoint, PackageNotFoundError, distribution
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from pydantic import Field, model_serializer, model_validator

from alae_core._support.cache import cache_directory
from alae_core._support.files import read_regular, write_atomically
from alae_core._support.text import short_repr
from alae_core._support.validation import Frozen, validate
from alae_core.errors import ConfigError, PluginError
from alae_core.groups import Settings
from alae_core.plugin_kinds import KINDS, Kind

#: maximum size of a plug-in's file in bytes
MOST_BYTES = 2**20
_ADVICE = "see docs/your-own.md"
_MODULE = r"^[^\W\d]\w*(\.[^\W\d]\w*)*$"


class PluginRecord(Frozen):
    """A plug-in as configurations record it: a file by its name and SHA-256, a module, or a package by its name."""

    file: str | None = Field(None, pattern=r"^[\w+-][\w.+ -]*\.py$", max_length=200)
    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    module: str | None = Field(None, pattern=_MODULE, max_length=200)
    package: str | None = Field(None, pattern=r"^[\w.-]+$", max_length=200)

    @model_validator(mode="after")
    def _check_kind(self) -> "PluginRecord":
        if (self.file is None) != (self.sha256 is None) or sum(map(bool, (self.file, self.module, self.package))) != 1:
            raise ValueError("a plug-in is recorded as file and sha256, as module, or as package")
        return self

    @model_serializer(mode="wrap")
    def _omit_unused(self, dump: Any) -> dict[str, str]:
        return {key: value for key, value in dump(self).items() if value is not None}

    def __str__(self) -> str:
        return f"{self.file} (SHA-256 {str(self.sha256)[:12]}…)" if self.file else str(self.module or self.package)


class _Loaded(NamedTuple):
    """The tables of a loaded plug-in, by the kind's name, and the bytes of its file."""

    tables: dict[str, dict[str, Any]]
    content: bytes = b""


_LOADED: dict[PluginRecord, _Loaded] = {}
#: plug-ins given to `load_plugin`, the newest last; only these define names for new configurations
_GIVEN: list[PluginRecord] = []


def load_plugin(source: str | Path) -> PluginRecord:
    """Load a plug-in, so that configurations can name its algorithms, families and objectives.

    Its code runs, and is trusted on this machine from now on: runs that record it open without it being given again.
    Configurations record the plug-ins that they use. Loading a changed file again replaces its names for new
    configurations; those that record the earlier version keep it.

    Args:
        source: a Python file (its name ends in .py), or the name of a module that can be imported.

    Returns:
        the record of the plug-in.

    Raises PluginError if it cannot be found, fails, imports Keras when it is loaded, or has no table
    ALGORITHMS, FAMILIES or OBJECTIVES as docs/your-own.md describes them.
    """
    path = Path(source)
    if path.suffix == ".py":
        content = _read(path)
        record = make_record({"file": path.name, "sha256": sha256(content).hexdigest()}, str(path))
        if record not in _LOADED:
            _LOADED[record] = _Loaded(_execute(record, content, path), content)
    else:
        if not re.match(_MODULE, str(source)):
            raise PluginError(f"{source} is neither a Python file, whose name ends in .py, nor the name of a module")
        content, record = b"", make_record({"module": str(source)}, str(source))
        if record not in _LOADED:
            _LOADED[record] = _Loaded(_import(str(source)))
    if record in _GIVEN:
        _GIVEN.remove(record)
    _GIVEN.append(record)
    # Without a writable cache, the plug-in has to be given to each command.
    with suppress(OSError):
        _trust_file(record).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(_trust_file(record), content)
    return record


def given_plugins() -> tuple[PluginRecord, ...]:
    """Return the plug-ins given to `load_plugin` in this process, the newest last."""
    return tuple(_GIVEN)


def give_plugins(records: Sequence[PluginRecord]) -> None:
    """Load the plug-ins that `load_plugin` was given in another process on this machine."""
    require_plugins(records, "this process")
    _GIVEN.extend(records)


def tables_of(record: PluginRecord) -> Mapping[str, Mapping[str, Any]]:
    """Return what a plug-in defines, by kind and name; nothing if it is not loaded."""
    return _LOADED[record].tables if record in _LOADED else {kind.name: {} for kind in KINDS}


def code_of(record: PluginRecord) -> bytes:
    """Return the bytes of a loaded plug-in's file; empty for a module or a package."""
    return _LOADED[record].content


def require_plugins(records: Sequence[PluginRecord], source: str) -> None:
    """Load the plug-ins that a configuration, named by `source`, records.

    Raises PluginError if one is not installed, fails, was never given on this machine, or was given in another version.
    """
    unknown = []
    for record in records:
        _require_version(record, source)
        if record in _LOADED:
            continue
        if record.package:
            _require_package(record.package, source)
            continue
        content = _recall(record)
        if content is None:
            unknown.append(record)
        elif record.file:
            _LOADED[record] = _Loaded(_execute(record, content, _trust_file(record)), content)
        else:
            _LOADED[record] = _Loaded(_import(str(record.module)))
    if unknown:
        raise PluginError(
            f"{source} needs {', '.join(map(str, unknown))}, which was never given on this machine: if you trust the "
            "author, whose code then runs, give it with --plugin, or load_plugin in Python",
            unknown,
        )


def _require_version(record: PluginRecord, source: str) -> None:
    given = [other for other in _GIVEN if record.file is not None and other.file == record.file]
    if given and record not in given:
        raise PluginError(
            f"{source} was made with another version of {record} than the one given ({str(given[-1].sha256)[:12]}…): "
            "give that version, or none, to use the copy that this machine keeps"
        )


def _require_package(package: str, source: str) -> None:
    try:
        distribution(package)
    except PackageNotFoundError as error:
        raise PluginError(
            f"{source} needs the package {package}, which is not installed: if you trust its author, pip install "
            f"{package}"
        ) from error


def _recall(record: PluginRecord) -> bytes | None:
    """Return the content that `load_plugin` kept on this machine; None if there is none, or the copy is damaged."""
    file = _trust_file(record)
    content = _read(file) if file.is_file() else None
    return None if record.file and content and sha256(content).hexdigest() != record.sha256 else content


def _trust_file(record: PluginRecord) -> Path:
    """Return the file that shows that the user gave a plug-in on this machine: a copy of it, or a mark."""
    return cache_directory() / "plugins" / (f"{record.sha256}.py" if record.file else f"{record.module}.module")


def _read(path: Path) -> bytes:
    try:
        return read_regular(path, MOST_BYTES)
    except OSError as error:
        raise PluginError(f"the plug-in {path} cannot be read: {error.strerror}") from error


def _execute(record: PluginRecord, content: bytes, path: Path) -> dict[str, dict[str, Any]]:
    module = ModuleType(f"alae_plugin_{record.sha256}")
    module.__file__ = str(path)
    # pydantic resolves annotations in the module.
    sys.modules[module.__name__] = module
    try:
        with _running(str(record.file), str(path)):
            exec(compile(content, str(path), "exec"), module.__dict__)
        return _collect(module, str(record.file))
    except BaseException:
        del sys.modules[module.__name__]
        raise


def _import(name: str) -> dict[str, dict[str, Any]]:
    with _running(name):
        module = import_module(name)
    return _collect(module, name)


def load_entry(kind: Kind, entry: EntryPoint) -> tuple[Any, PluginRecord]:
    """Load what an installed package defines. Raises PluginError as `load_plugin`."""
    what = f"{entry.value}, the {kind.name} {entry.name!r} of an installed package,"
    with _running(what):
        row = entry.load()
    _require_row(kind, entry.name, row, what)
    package = entry.dist.name if entry.dist else entry.module.partition(".")[0]
    record = make_record({"package": package}, what)
    _LOADED.setdefault(record, _Loaded({kind.name: {} for kind in KINDS})).tables[kind.name][entry.name] = row
    return row, record


@contextmanager
def _running(what: str, file: str | None = None) -> Iterator[None]:
    """Raise PluginError for every error of a plug-in's code, and if the code imports Keras."""
    had_keras = "keras" in sys.modules
    try:
        yield
    except (Exception, SystemExit) as error:
        line, trace = getattr(error, "lineno", None), error.__traceback__
        while trace:
            line = trace.tb_lineno if trace.tb_frame.f_code.co_filename == file else line
            trace = trace.tb_next
        where = f", line {line}" if line else ""
        raise PluginError(f"the plug-in {what}{where} cannot be loaded: {type(error).__name__}: {error}") from error
    if not had_keras and "keras" in sys.modules:
        raise PluginError(
            f"the plug-in {what} imports Keras when it is loaded, before a backend is chosen: import it inside "
            f"functions, or import keras and ops from alae_core; {_ADVICE}"
        )


def _collect(module: ModuleType, what: str) -> dict[str, dict[str, Any]]:
    tables: dict[str, dict[str, Any]] = {}
    for kind in KINDS:
        rows = getattr(module, kind.table, {})
        # A plug-in may import alae's own table to reuse a row.
        rows = {} if rows is kind.own else rows
        if not isinstance(rows, Mapping):
            raise PluginError(
                f"{kind.table} of the plug-in {what} is {short_repr(rows)}, but must be a dict; {_ADVICE}"
            )
        for name, row in rows.items():
            _require_row(kind, name, row, f"{what}, {kind.table}[{name!r}],")
        tables[kind.name] = dict(rows)
    if not any(tables.values()):
        raise PluginError(f"the plug-in {what} has none of {', '.join(kind.table for kind in KINDS)}; {_ADVICE}")
    return tables


def _require_row(kind: Kind, name: Any, row: Any, what: str) -> None:
    if not isinstance(row, kind.row):
        raise PluginError(f"{what} is {short_repr(row)}, but must be of the type {kind.row.__name__}; {_ADVICE}")
    base = Settings
    settings = getattr(row, "settings", None)
    if settings is not None and not (isinstance(settings, type) and issubclass(settings, base)):
        raise PluginError(f"{what} has the settings {short_repr(settings)}: they must be a subclass of {base.__name__}")
    if not isinstance(name, str) or not name or name in kind.own:
        raise PluginError(f"{what} cannot be called {name!r}, which is alae's own {kind.name}: choose another name")


def make_record(data: Any, source: str) -> PluginRecord:
    """Return the record in plain data. Raises PluginError, naming `source`, if it is none."""
    try:
        return validate(PluginRecord, data, source)
    except ConfigError as error:
        raise PluginError(str(error)) from error
