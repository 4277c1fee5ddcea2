"""LMDB data bases of image files, as LSUN ships its scenes: their B+ tree is walked here, and every reference checked.

The library for LMDB maps a file into memory, where a damaged page ends the process by a signal; nothing of it is used.
"""

from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from struct import Struct
from typing import BinaryIO

import numpy as np

from alae_core._support.files import open_regular
from alae_workbench.data.collection import Made, Pictures
from alae_workbench.data.pictures import Member
from alae_workbench.data.source import DataError

_FILE = "data.mdb"
# Bytes that an image file may have.
_MOST_BYTES = 2**29
# A page begins with its number, flags, and the ends of its free space; or how many pages a long value takes.
_PAGE = Struct("<Q2xHHH")
# A page of meta data goes on with magic and version, the pages' size, and of the data base its depth and root; then the
# last page, and the transaction that wrote all this. (LMDB 0.9, lmdb.h and mdb.c: MDB_page, MDB_meta, MDB_db.)
_META = Struct("<II16xI48xHH24xQQQQ")
_MAGIC, _VERSION, _NONE = 0xBEEFC0DE, 1, 2**64 - 1
_BRANCH, _LEAF, _OVERFLOW, _META_PAGE = 1, 2, 4, 8
# A node begins with the length of its value, or in a branch with the page below; flags; and the length of its key.
_NODE, _NUMBER = Struct("<HHHH"), Struct("<Q")
_LONG, _NOT_PLAIN = 1, 2 | 4


def is_lmdb(path: Path, inside: Collection[str]) -> bool:
    """Whether a path is a data base of LMDB, or a folder with the names `inside` holds one."""
    return _FILE in (inside or [path.name])


def pictures_in_lmdb(path: Path) -> Pictures:
    """The values of a data base, each an image file, in the order of their keys; a key that is no name in hexadecimal.

    Raises DataError where it cannot be read, is damaged, empty, or holds data bases of its own.
    """
    file = path / _FILE if path.is_dir() else path
    try:
        with open_regular(file) as content:
            found = list(_Tree(content).values())
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read as LMDB: {getattr(error, 'strerror', None) or error}") from error
    if not found:
        raise DataError(f"there are no images in {path}: its data base is empty")
    names = [name for name, _, _ in found]
    places = np.array([place for _, *place in found], np.int64)
    return Pictures(Made(len(names), partial(_member, path, file, names, places)), names, None, (), [file])


def _member(path: Path, file: Path, names: list[str], places: np.ndarray, number: int) -> Member:
    offset, length = map(int, places[number])
    return Member(path, PurePosixPath(names[number]), partial(_value, file, offset, length))


def _value(file: Path, offset: int, length: int) -> bytes:
    with open_regular(file) as content:
        content.seek(offset)
        found = content.read(length)
    if len(found) < length:
        raise EOFError("the data base ends within it")
    return found


class _Tree:
    """The main data base in a file, as the last transaction left it. Raises ValueError where something is damaged."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._size = file, file.seek(0, 2)
        file.seek(0)
        first = self._meta(file.read(_PAGE.size + _META.size))
        self._page_size = first[2]
        if self._page_size not in (2**power for power in range(8, 17)):
            raise ValueError(f"it says that its pages have {self._page_size:,} bytes")
        file.seek(self._page_size)
        metas = [first, self._meta(file.read(_PAGE.size + _META.size))]
        _, _, size, _, self._depth, self._entries, self._root, self._last, _ = max(metas, key=lambda meta: meta[-1])
        if size != self._page_size:
            raise ValueError("its two headers differ about its pages")
        if (self._last + 1) * size > self._size:
            raise ValueError(f"it is cut short: it has {self._size:,} bytes of {(self._last + 1) * size:,}")

    def _meta(self, content: bytes) -> tuple[int, ...]:
        if len(content) < _PAGE.size + _META.size:
            raise ValueError("it is cut short: it ends within its headers")
        magic, version, *_ = found = _META.unpack_from(content, _PAGE.size)
        if magic != _MAGIC or not _PAGE.unpack_from(content)[1] & _META_PAGE:
            raise ValueError("it does not begin as one written on a machine of 64 bits and little-endian order")
        if version != _VERSION:
            raise ValueError(f"it is of version {version}, and version {_VERSION} is read")
        return found

    def values(self) -> Iterator[tuple[str, int, int]]:
        """Of each value its key, printable and without slashes; where it begins, and its length."""
        if self._root == _NONE:
            return
        pages, seen, found = [(self._root, self._depth)], 0, 0
        while pages:
            number, depth = pages.pop()
            seen += 1
            if seen > self._last or depth < 1:
                raise ValueError("its pages lead round in a circle")
            flags, page = self._page(number)
            if flags & _LEAF and depth == 1:
                for value in self._leaf(number, page):
                    found += 1
                    yield value
            elif flags & _BRANCH and depth > 1:
                below = [low | high << 16 | flags << 32 for low, high, flags, _, _ in self._nodes(number, page)]
                pages += [(each, depth - 1) for each in reversed(below)]
            else:
                raise ValueError(f"page {number:,} is none of keys, but should be")
        if found != self._entries:
            raise ValueError(f"it says that it holds {self._entries:,} values, but {found:,} are there")

    def _page(self, number: int) -> tuple[int, bytes]:
        if number > self._last:
            raise ValueError(f"it refers to page {number:,}, and its last is {self._last:,}")
        self._file.seek(number * self._page_size)
        page = self._file.read(self._page_size)
        if len(page) < self._page_size:
            raise ValueError(f"it ends within page {number:,}")
        own, flags, _, _ = _PAGE.unpack_from(page)
        if own != number:
            raise ValueError(f"page {number:,} says that it is page {own:,}")
        return flags, page

    def _nodes(self, number: int, page: bytes) -> Iterator[tuple[int, int, int, int, int]]:
        """Of each node in a page its four numbers, and where it begins."""
        lower = _PAGE.unpack_from(page)[2]
        if lower > len(page) or lower < _PAGE.size:
            raise ValueError(f"page {number:,} is damaged")
        for at in np.frombuffer(page, "<u2", (lower - _PAGE.size) // 2, _PAGE.size).tolist():
            if at + _NODE.size > len(page):
                raise ValueError(f"page {number:,} is damaged")
            yield *_NODE.unpack_from(page, at), at

    def _leaf(self, number: int, page: bytes) -> Iterator[tuple[str, int, int]]:
        for low, high, flags, length, at in self._nodes(number, page):
            begin = at + _NODE.size + length
            size = low | high << 16
            if flags & _NOT_PLAIN:
                raise ValueError("it holds data bases of its own, or several values for a key")
            if size > _MOST_BYTES:
                raise ValueError(f"a value has {size:,} bytes, and images at the most {_MOST_BYTES:,}")
            if begin + (_NUMBER.size if flags & _LONG else size) > len(page):
                raise ValueError(f"page {number:,} is damaged")
            offset = number * self._page_size + begin
            if flags & _LONG:
                (first,) = _NUMBER.unpack_from(page, begin)
                offset = first * self._page_size + _PAGE.size
                if offset + size > (self._last + 1) * self._page_size:
                    raise ValueError(f"a value of {size:,} bytes reaches beyond the end")
            yield _printable(page[at + _NODE.size : begin]), offset, size


def _printable(key: bytes) -> str:
    name = key.decode("ascii", "replace")
    return name if name.isalnum() or name.replace(".", "").replace("_", "").replace("-", "").isalnum() else key.hex()
