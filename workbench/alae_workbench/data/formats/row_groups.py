"""Parquet and Arrow files as groups of rows, of which two are in memory at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Any

from alae_workbench.data.formats.stamp import FileStamp

# Maximum unpacked bytes of a group: a whole group is in memory at once.
_MOST_BYTES = 2**31
# Groups in memory: the one being read, and the next.
_KEPT_GROUPS = 2
_READING = Lock()


@dataclass(frozen=True)
class RowGroups:
    """An open file.

    Attributes:
        schema: its `pyarrow.Schema`.
        count: number of groups.
        rows: returns the number of rows of a group.
        read: reads a column of a group; its references are not validated.
    """

    schema: Any
    count: int
    rows: Callable[[int], int]
    read: Callable[[int, str], Any]

    def read_valid(self, group: int, column: str) -> Any:
        """Read a column of a group. Raises ArrowInvalid if a reference in it points outside of it."""
        values = self.read(group, column)
        values.validate(full=True)
        return values


@lru_cache(maxsize=8)
def open_row_groups(file: FileStamp) -> RowGroups:
    """Open a .parquet or an .arrow file. Raises ArrowException, OSError or ValueError if it is damaged."""
    return _open_parquet(file) if file.path.suffix.lower() == ".parquet" else _open_arrow(file)


def read_cell(file: FileStamp, group: int, row: int, column: str) -> Any:
    """Read a value. Raises ArrowException, OSError or ValueError if the group is damaged or too large."""
    # One thread unpacks a group, and the others find it in the cache.
    with _READING:
        return _read_column(file, group, column)[row].as_py()


@lru_cache(maxsize=_KEPT_GROUPS)
def _read_column(file: FileStamp, group: int, column: str) -> Any:
    return open_row_groups(file).read_valid(group, column)


def holds_bytes(kind: Any) -> bool:
    """Whether a column of this type holds bytes, or structures with a field `bytes`."""
    from pyarrow import types

    if types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0 and holds_bytes(kind.field("bytes").type)
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _open_parquet(file: FileStamp) -> RowGroups:
    from pyarrow import parquet

    shard = parquet.ParquetFile(file.path)

    def count_rows(group: int) -> int:
        return shard.metadata.row_group(group).num_rows

    def read(group: int, column: str) -> Any:
        unpacked = shard.metadata.row_group(group).total_byte_size
        if unpacked > _MOST_BYTES:
            raise ValueError(f"a group of rows unpacks to {unpacked:,} bytes; at most {_MOST_BYTES:,} are accepted")
        return shard.read_row_group(group, columns=[column]).column(column).combine_chunks()

    return RowGroups(shard.schema_arrow, shard.num_row_groups, count_rows, read)


def _open_arrow(file: FileStamp) -> RowGroups:
    import pyarrow
    from pyarrow import ipc

    with pyarrow.memory_map(str(file.path)) as mapped:
        messages = ipc.MessageReader.open_stream(mapped)
        first = next(messages, None)
        if first is None:
            raise ValueError("it holds no schema")
        schema = ipc.read_schema(first)
        starts, rows = [mapped.tell()], []
        for message in messages:
            rows.append(ipc.read_record_batch(message, schema).num_rows)
            starts.append(mapped.tell())

    def read(group: int, column: str) -> Any:
        # A memory map loads only the column of labels, which is small. Images are read without one: if the file is
        # truncated while it is mapped, the process dies.
        open_file = pyarrow.OSFile if holds_bytes(schema.field(column).type) else pyarrow.memory_map
        with open_file(str(file.path)) as content:
            content.seek(starts[group])
            return ipc.read_record_batch(ipc.read_message(content), schema).column(column)

    return RowGroups(schema, len(rows), rows.__getitem__, read)
