"""Files of torch.save are read as PyTorch reads them; hostile and damaged ones are refused without side effects."""

import os
import pickle
import struct
import time
import tracemalloc
import zipfile

import numpy as np
import pytest

from alae_workbench.data.formats.pickles import Placeholder
from alae_workbench.exchange.torch_files import Tensor, TorchFileError, read_torch_file
from tests.helpers.torch_files import everything, read_all

#: pickles are written by hand, one instruction at a time
MAGIC = pickle.dumps(0x1950A86A20F9469CFC6C, 2)
HEAD = MAGIC + pickle.dumps(1001, 2) + pickle.dumps({"little_endian": True}, 2)
END = pickle.dumps([], 2)
#: maximum bytes of memory for reading, besides a few for each byte of the file
MEMORY = 2**22


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def name(module, attribute):
    return f"c{module}\n{attribute}\n".encode()


def number(value):
    return pickle.dumps(value, 2)[2:-1]


def storage(key="0", elements=6, kind="FloatStorage"):
    """Pickle a reference to a storage as torch.save does."""
    return b"(" + text("storage") + name("torch", kind) + text(key) + text("cpu") + number(elements) + b"tQ"


def tensor(shape=(2, 3), strides=(3, 1), offset=0, elements=6, kind="FloatStorage"):
    # The defaults cover the six numbers that both writers below store.
    shape, strides = (b"(" + b"".join(map(number, values)) + b"t" for values in (shape, strides))
    hooks = name("collections", "OrderedDict") + b")R"
    arguments = storage(elements=elements, kind=kind) + number(offset) + shape + strides + b"\x89" + hooks
    return name("torch._utils", "_rebuild_tensor_v2") + b"(" + arguments + b"tR"


def write_zip(path, program, numbers=b"\0" * 24, root="archive", compression=zipfile.ZIP_STORED, **more):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr(f"{root}/data.pkl", b"\x80\x02" + program + b".")
        archive.writestr(f"{root}/data/0", numbers)
        for entry, content in more.items():
            archive.writestr(f"{root}/{entry}", content)
    return path


def write_legacy(path, program, order=END, numbers=b""):
    path.write_bytes(HEAD + b"\x80\x02" + program + b"." + order + numbers)
    return path


def assert_refused(path, message=None):
    """Check that reading `path` and its tensors fails with one line that names it, within 2 s and little memory."""
    tracemalloc.start()
    start = time.process_time()
    with pytest.raises(TorchFileError, match=message) as caught:
        read_all(path)
    took, (_, peak) = time.process_time() - start, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < len(str(path)) + 300
    assert peak < MEMORY + (6 * path.stat().st_size if path.is_file() else 0)
    assert took < 2


both = pytest.mark.parametrize("write", [write_zip, write_legacy])


# ---- calls -----------------------------------------------------------------------------------------------------------


def make_calls(marker):
    """Yield pickles that create the file `marker` if they are executed."""
    command = f"touch {marker}"
    code = f"__import__('pathlib').Path({str(marker)!r}).touch()"
    inner = pickle.dumps(None)[:-2] + name("os", "system") + b"(" + text(command) + b"tR."
    system = b"(" + text(command) + b"t"
    yield "reduce", name("os", "system") + system + b"R"
    yield "posix", name("posix", "system") + system + b"R"
    yield "stack global", text("os") + text("system") + b"\x93" + system + b"R"
    yield "eval", name("builtins", "eval") + b"(" + text(code) + b"tR"
    yield "exec", name("__builtin__", "exec") + b"(" + text(code) + b"tR"
    yield "nested", name("pickle", "loads") + b"(B" + struct.pack("<I", len(inner)) + inner + b"tR"
    got = name("builtins", "getattr") + b"(" + name("os", "") + text("system") + b"tR"
    yield "getattr", got + system + b"R"
    yield "inst", b"(" + text(command) + b"ios\nsystem\n"
    yield "obj", b"(" + name("os", "system") + text(command) + b"o"
    yield "newobj", name("subprocess", "Popen") + b"(" + text(command) + b"t\x81"
    yield "newobj_ex", name("subprocess", "Popen") + b"(" + text(command) + b"t}\x92"
    yield (
        "build",
        name("subprocess", "Popen") + b")\x81}" + text("__setstate__") + name("os", "system") + b"sb" + system + b"b",
    )
    # Calls as arguments of known names.
    yield "ordered dict", name("collections", "OrderedDict") + b"(" + name("os", "system") + system + b"RtR"
    yield "parameter", name("torch._utils", "_rebuild_parameter") + b"(" + name("os", "system") + system + b"RtR"


@both
def test_functions_named_in_pickles_are_not_called(tmp_path, write):
    marker = tmp_path / "executed"
    for kind, program in make_calls(marker):
        saved, _ = read_torch_file(write(tmp_path / kind, program))
        assert isinstance(saved, Placeholder), kind
        assert not marker.exists(), kind


def test_the_hostile_pickles_take_effect_in_the_standard_library(tmp_path):
    marker = tmp_path / "executed"
    for kind, program in make_calls(marker):
        if kind in ("reduce", "eval", "nested", "inst", "obj", "stack global"):
            pickle.loads(b"\x80\x02" + program + b".")
            assert marker.exists(), kind
            marker.unlink()


@both
def test_objects_with_reduce_hooks_become_placeholders(tmp_path, write):
    class Hooked:
        def __reduce_ex__(self, protocol):
            return os.mkdir, (str(tmp_path / "executed"),), {"state": 1}, iter([1]), iter([("key", 2)])

    saved, _ = read_torch_file(write(tmp_path / "file", pickle.dumps({"a": [Hooked()], "b": 1}, 2)[2:-1]))
    assert saved == {"a": [Placeholder("posix.mkdir" if os.name == "posix" else "nt.mkdir")], "b": 1}
    assert not (tmp_path / "executed").exists()


@both
@pytest.mark.parametrize(
    "program",
    [
        b"\x82\x01",  # EXT1
        b"\x83\x01\x00",  # EXT2
        b"\x84\x01\x00\x00\x00",  # EXT4
        b"Pkey\n",  # PERSID
        b"\x97",  # NEXT_BUFFER
        b"N\x98",  # READONLY_BUFFER
    ],
)
def test_instructions_beyond_plain_data_are_refused(tmp_path, write, program):
    assert_refused(write(tmp_path / "file", program), "holds the pickle instruction [A-Z_0-9]+, which")


# ---- false claims ----------------------------------------------------------------------------------------------------

GIGABYTES = 10 * 2**30
CLAIMS = {
    "BINBYTES8": b"\x8e" + struct.pack("<Q", GIGABYTES),
    "BINUNICODE8": b"\x8d" + struct.pack("<Q", GIGABYTES),
    "BYTEARRAY8": b"\x96" + struct.pack("<Q", GIGABYTES),
    "BINBYTES": b"B" + struct.pack("<I", 2**32 - 1),
    "BINUNICODE": b"X" + struct.pack("<I", 2**32 - 1),
    "BINSTRING": b"T" + struct.pack("<i", 2**31 - 1),
    "LONG4": b"\x8b" + struct.pack("<i", 2**31 - 1),
    "LONG4 below 0": b"\x8b" + struct.pack("<i", -1),
    "FRAME": b"\x95" + struct.pack("<Q", GIGABYTES),
    "LONG": b"L" + b"9" * 5000 + b"L\n",
    "UNICODE": b"V\\ud8\n",
    "STRING": b"S'\\x\n",
    "FLOAT": b"Fone\n",
    "unknown memo": b"h\x07",
    "empty stack": b"0",
    "no mark": b"t",
    "odd items": b"}(K\x01u",
    "a list as key": b"(]]d",
    "tensor of no storage": name("torch._utils", "_rebuild_tensor_v2")
    + b"("
    + b"("
    + text("0")
    + text("O")
    + b"K\x01t"
    + b"K\0))\x89NtR",
}


@both
@pytest.mark.parametrize("claim", CLAIMS)
def test_false_lengths_and_positions_are_refused(tmp_path, write, claim):
    path = write(tmp_path / "file", CLAIMS[claim])
    if claim in ("a list as key", "tensor of no storage"):
        assert read_torch_file(path)[0] in ({}, Placeholder("torch._utils._rebuild_tensor_v2"))
    else:
        assert_refused(path)


@both
def test_a_huge_memo_index_does_not_take_memory(tmp_path, write):
    tracemalloc.start()
    assert read_torch_file(write(tmp_path / "file", b"]r" + struct.pack("<I", 2**31)))[0] == []
    assert tracemalloc.get_traced_memory()[1] < MEMORY
    tracemalloc.stop()


def nest_tuples(start, times=200):
    """Pickle a tuple that contains the previous one twice, nested 200 times: visiting each item takes 2²⁰⁰ steps."""
    return start + b"q\x00" + b"".join(b"0h%ch%c\x86q%c" % (i, i, i + 1) for i in range(times))


@both
def test_exponentially_nested_tuples_are_not_traversed(tmp_path, write):
    many = nest_tuples(b")")
    for path, program in {
        "value": many,
        "key": b"}" + many + b"Ns",
        "callee": many + b")R",
        "class": many + b")\x81",
        "arguments": name("os", "system") + many + b"R",
        "persistent": b"0" + many,
    }.items():
        start = time.process_time()
        read_torch_file(write(tmp_path / path, b"N" + program))
        assert time.process_time() - start < 2
    assert_refused(write(tmp_path / "id", many + b"Q"), "not a storage of numbers")
    shape = name("torch._utils", "_rebuild_tensor_v2") + b"(" + storage() + b"K\0" + many + many + b"\x89NtR"
    assert_refused(write(tmp_path / "shape", shape), "not a short tuple|not whole numbers")
    assert_refused(write(tmp_path / "name", b"N" + many + b"N\x93"), "STACK_GLOBAL requires str")


def test_an_exponentially_nested_order_of_storages_is_not_traversed(tmp_path):
    order = b"\x80\x02](" + nest_tuples(b")") + b"e."
    assert_refused(write_legacy(tmp_path / "file", storage(), order))
    assert_refused(write_legacy(tmp_path / "more", storage(), b"\x80\x02" + nest_tuples(b")") + b"a."))


@both
def test_deep_nesting_does_not_need_recursion(tmp_path, write):
    depth = 100_000
    saved, _ = read_torch_file(write(tmp_path / "file", b"]" * depth + b"a" * (depth - 1)))
    for _ in range(depth - 1):
        (saved,) = saved
    assert saved == []


@both
@pytest.mark.parametrize(
    "claimed",
    [
        {"offset": 1},
        {"offset": 2**62},
        {"offset": -1},
        {"shape": (2, 4)},
        {"shape": (3, 3)},
        {"strides": (4, 1)},
        {"strides": (-3, 1)},
        {"strides": (2**62, 1)},
        {"strides": (2**80, 1)},
        {"strides": (3,)},
        {"shape": (-2, 3)},
        {"shape": (2**40, 2**40), "strides": (0, 0)},
        {"shape": (10**9,), "strides": (0,)},
        {"shape": (2**62,) * 100_000, "strides": (0,) * 100_000},
        {"shape": (0, 2**62, 2**62), "strides": (0, 0, 0)},
        {"elements": 7},
        {"elements": 10**12, "shape": (10**12,), "strides": (1,)},
        {"elements": 2**80},
        {"elements": -6},
        {"kind": "BFloat16Storage"},
        {"kind": "QUInt8Storage"},
        {"kind": "UntypedStorage"},
        {"kind": "OddStorage"},
    ],
    ids=lambda claimed: ",".join(claimed),
)
def test_a_tensor_outside_its_storage_is_refused(tmp_path, write, claimed):
    stored = {"order": b"\x80\x02]" + text("0") + b"a.", "numbers": struct.pack("<Q", 6) + b"\0" * 24}
    assert_refused(write(tmp_path / "file", tensor(**claimed), **(stored if write is write_legacy else {})))


def test_an_empty_storage_has_its_declared_length(tmp_path):
    none, order = tensor((0,), (1,), elements=0), b"\x80\x02]" + text("0") + b"a."
    assert_refused(write_legacy(tmp_path / "cut", none, order, bytes(7)), "truncated")
    assert read_all(write_legacy(tmp_path / "whole", none, order, bytes(8)))[1][0].shape == (0,)


def test_a_missing_storage_is_refused(tmp_path):
    program = (
        name("torch._utils", "_rebuild_tensor_v2") + b"(" + storage(key="../7") + b"K\0(K\x02K\x03t(K\x03K\x01t\x89NtR"
    )
    assert_refused(write_zip(tmp_path / "zip", program), "no item named")
    assert_refused(write_legacy(tmp_path / "legacy", program), "damaged")


# ---- other files -----------------------------------------------------------------------------------------------------


def test_other_files_are_refused(tmp_path):
    for kind, content in {
        "empty": b"",
        "text": b"once upon a time\n" * 100,
        "one byte": b"\x80",
        "another pickle": pickle.dumps({"models": 1}),
        "wrong magic": pickle.dumps(0x1950A86A20F9469CFC6D, 2) + HEAD[len(MAGIC) :],
        "big-endian": MAGIC + pickle.dumps(1001, 2) + pickle.dumps({"little_endian": False}, 2) + b"N." + END,
        "no system": MAGIC + pickle.dumps(1001, 2) + pickle.dumps(None, 2) + b"N." + END,
        "PNG": b"\x89PNG\r\n\x1a\n" + bytes(100),
    }.items():
        path = tmp_path / kind
        path.write_bytes(content)
        foreign = dict.fromkeys(("text", "PNG"), "it was not written by torch.save")
        assert_refused(path, {"big-endian": "big-endian", **foreign}.get(kind))
    assert_refused(tmp_path, "it is a folder, not a file")
    assert_refused(tmp_path / "nowhere", "No such file")


def test_other_archives_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "none", "w") as archive:
        archive.writestr("archive/other", b"")
    assert_refused(tmp_path / "none", "not have one data.pkl")
    with zipfile.ZipFile(tmp_path / "two", "w") as archive:
        for root in "ab":
            archive.writestr(f"{root}/data.pkl", b"N.")
    assert_refused(tmp_path / "two", "not have one data.pkl")
    assert_refused(write_zip(tmp_path / "big", tensor(), byteorder=b"big"), "big-endian")
    assert_refused(write_zip(tmp_path / "bomb", b"N" + b"0N" * 10**6, compression=zipfile.ZIP_DEFLATED), "compressed")
    bomb = tmp_path / "numbers"
    with zipfile.ZipFile(bomb, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + tensor() + b".")
        archive.writestr("archive/data/0", b"\0" * 24, zipfile.ZIP_DEFLATED)
    assert_refused(bomb, "compressed")


@pytest.mark.parametrize(
    ("claimed", "message"),
    [
        ((2**31 - 8, 2**31 - 8), "truncated"),
        ((300, 300), "damaged"),
        ((24, 2**31 - 8), "compressed"),
        ((12, 12), "damaged"),
    ],
)
def test_an_archive_entry_of_another_size_is_refused(tmp_path, claimed, message):
    path = write_zip(tmp_path / "file", tensor())
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02", content.index(b"PK\x01\x02") + 1)
    assert struct.unpack_from("<II", content, at + 20) == (24, 24)
    struct.pack_into("<II", content, at + 20, *claimed)
    path.write_bytes(content)
    assert_refused(path, message)


def test_an_encrypted_archive_is_refused(tmp_path):
    path = write_zip(tmp_path / "file", tensor())
    content = bytearray(path.read_bytes())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := content.find(mark, at + 1)) >= 0:
            content[at + flags] |= 1
    path.write_bytes(content)
    assert_refused(path, "encrypted")


# ---- good files ------------------------------------------------------------------------------------------------------


def assert_same(found, expected, numbers):
    import torch

    if isinstance(expected, torch.Tensor):
        assert isinstance(found, Tensor)
        array, expected = numbers(found), expected.detach().numpy()
        assert array.dtype == expected.dtype
        assert array.shape == expected.shape
        np.testing.assert_array_equal(array, expected)
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        for key, value in expected.items():
            assert_same(found[key], value, numbers)
    elif isinstance(expected, (list, tuple)):
        assert isinstance(found, list if isinstance(expected, list) else tuple)
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other, numbers)
    else:
        assert type(found) is type(expected)
        assert found == expected


@pytest.fixture(scope="module", params=[True, False], ids=["zip", "legacy"])
def torch_file(request, tmp_path_factory):
    torch = pytest.importorskip("torch")
    path = tmp_path_factory.mktemp("good") / "file.pt"
    torch.save(everything(), path, _use_new_zipfile_serialization=request.param)
    return path


def test_saved_values_are_read_as_torch_reads_them(torch_file):
    import torch

    saved, numbers = read_torch_file(torch_file)
    assert_same(saved, torch.load(torch_file, weights_only=False), numbers)
    array = numbers(saved["plain"])
    array[:] = 0
    assert numbers(saved["plain"]).any(), "arrays must be copies"


def test_an_archive_is_opened_once(torch_file, monkeypatch):
    opened = []

    class Counted(zipfile.ZipFile):
        def __init__(self, *arguments, **choices):
            opened.append(arguments)
            super().__init__(*arguments, **choices)

    is_zip = zipfile.is_zipfile(torch_file)
    monkeypatch.setattr(zipfile, "ZipFile", Counted)
    read_all(torch_file)
    assert len(opened) == is_zip


@both
def test_unknown_escapes_do_not_give_a_warning(tmp_path, write):
    assert read_torch_file(write(tmp_path / "file", rb"S'\o'" + b"\n"))[0] == r"\o"


def test_an_expanded_tensor_is_refused(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save(torch.zeros(1).expand(1000), tmp_path / "file")
    assert_refused(tmp_path / "file", r"a tensor of shape \(1000,\) needs more than its storage of 1 numbers")


def test_truncated_files_are_refused(torch_file, tmp_path):
    content = torch_file.read_bytes()
    path = tmp_path / "cut"
    for end in [*range(1, 400, 7), *range(400, len(content), max(1, len(content) // 60)), len(content) - 1]:
        path.write_bytes(content[:end])
        assert_refused(path)
