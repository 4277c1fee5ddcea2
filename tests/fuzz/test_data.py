"""Hostile data files: .npz and .npy, IDX files, folders and archives of image files."""

import gzip
import io
import os
import pickle
import struct
import tarfile
import zipfile
from shutil import rmtree

import numpy as np
import pytest
from scipy.io import savemat

from alae_core import load_config
from alae_workbench import Arrays
from alae_workbench.data.survey import survey
from alae_workbench.runs.proposal import propose
from tests.fuzz import attempt, cases
from tests.fuzz.hostile import damage_pickle, pick
from tests.fuzz.pictures import COLOUR, GREY, damage, picture_file, reader_of

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 8, 8), np.uint8)
SHAPES = [
    (6, 8, 8),
    (6, 8, 8, 3),
    (0, 8, 8),
    (6,),
    (),
    (6, 0, 8),
    (6, 1, 8, 8),
    (2, 3, 4, 5, 6),
    (6, 8, 8, 7),
    (1, 1, 1),
]
DTYPES = ["u1", "i1", "<f4", ">f8", "<f2", "?", "<i8", ">u8", "<c8", "<U3", "S2", "M8[s]", "O", "V3", "u1,f4"]
NAMES = ["images", "labels", "x_train", "y_train", "x_test", "y_test", "arr_0", "-", "../x", "a\0b", "x" * 300]
HEADERS = [
    *(
        "(",
        "{}",
        "{'descr': '|u1'}",
        "[" * 300,
        "{'descr': '|u1', 'fortran_order': False, 'shape': (10**15,)}",
        "\0" * 40,
    ),
    *(
        f"{{'descr': {dtype!r}, 'fortran_order': {order}, 'shape': {shape}}}"
        for dtype, order, shape in [
            ("|u1", False, (10**15,)),
            ("|u1", False, (2**63, 2**63)),
            ("|u1", False, (-1, 8, 8)),
            ("|u1", True, (3, 8, 8)),
            ("|O", False, (3,)),
            ("<U1000000", False, (10**9,)),
            ([("a", "|u1")], False, (3,)),
            ("x", 3, "y"),
            ("|u1", False, (True, 8.5)),
            ("|V0", False, (2**40,)),
        ]
    ),
]


def npy(random):
    if random.random() < 0.3:
        header = pick(random, HEADERS).encode()
        return b"\x93NUMPY" + bytes([pick(random, [1, 1, 2, 3, 9]), 0]) + struct.pack("<H", len(header)) + header
    dtype = np.dtype(pick(random, DTYPES))
    array = np.zeros(pick(random, SHAPES), dtype)
    if dtype.kind in "iuf":
        array[...] = np.asarray(random.uniform(-1, 300, array.shape)).astype(dtype)
        if dtype.kind == "f" and array.size and random.random() < 0.3:
            array.flat[0] = pick(random, [np.nan, np.inf, -np.inf])
    content = io.BytesIO()
    np.lib.format.write_array(content, np.asfortranarray(array) if random.random() < 0.2 else array, allow_pickle=True)
    return content.getvalue()


@pytest.mark.filterwarnings("ignore:Duplicate name", "ignore:overflow", "ignore:invalid value")
def test_npz(tmp_path):
    """Files of arrays, alone and together with a file of labels in a folder."""
    np.save(tmp_path / "labels.npy", np.arange(6))
    for number, random in cases():
        path, content = tmp_path / f"{number}.{pick(random, ['npz', 'npy'])}", io.BytesIO()
        with zipfile.ZipFile(content, "w", pick(random, [0, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])) as archive:
            for _ in range(random.integers(0, 4)):
                archive.writestr(pick(random, NAMES) + pick(random, [".npy", ".npy", ""]), npy(random))
        if random.random() < 0.3:
            content = io.BytesIO()
            np.savez(content, images=PIXELS, labels=np.arange(6))
        whole = content.getvalue() if random.random() < 0.8 else npy(random)
        path.write_bytes(damage(random, whole))
        for source in (path, tmp_path):
            attempt(reader_of(source, pick(random, [GREY, COLOUR])), path.stat().st_size, number)
        path.unlink()


def idx(random):
    axes = [len(PIXELS), 8, 8]
    if random.random() < 0.3:
        axes = [int(random.integers(2**32)) for _ in range(random.integers(6))]
    start = b"\0\0\x08" if random.random() < 0.8 else pick(random, [b"\0\0\x0d", b"PNG"])
    count = len(axes) if random.random() < 0.8 else pick(random, [255, 0])
    pixels = PIXELS.tobytes() if random.random() < 0.8 else pick(random, [b"", bytes(2**16)])
    return start + bytes([count]) + struct.pack(f">{len(axes)}I", *axes) + pixels


def test_idx(tmp_path):
    names = ["train-images-idx3-ubyte", "t10k-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte"]
    for number, random in cases():
        size = 0
        for name in names:
            for packed in ("", ".gz"):
                (tmp_path / f"{name}{packed}").unlink(missing_ok=True)
            packed = random.random() < 0.5
            content = idx(random) if "images" in name else b"\0\0\x08\x01\0\0\0\x06" + bytes(6)
            content = damage(random, gzip.compress(content) if packed else content)
            if random.random() < 0.9:
                (tmp_path / f"{name}{'.gz' if packed else ''}").write_bytes(content)
                size += len(content)
        attempt(reader_of(tmp_path), size, number)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_folders(tmp_path):
    endings = ["png", "jpg", "webp", "bmp", "tif", "gif", "PNG", "avif", "ppm", "tga", "pcx", "ico", "jp2", "x", "heic"]
    for number, random in cases():
        folder = tmp_path / str(number)
        folder.mkdir()
        for i in range(random.integers(1, 6)):
            inside = folder / pick(random, [".", "a", "b", "a/c"])
            inside.mkdir(parents=True, exist_ok=True)
            path = inside / f"{i}.{pick(random, endings)}"
            match random.integers(10):
                case 0:
                    path.write_bytes(pick(random, [b"", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"no image", random.bytes(200)]))
                case 1:
                    path.symlink_to(pick(random, ["/dev/zero", "nowhere", "..", ".", path.name]))
                case 2 if hasattr(os, "mkfifo"):
                    os.mkfifo(path)
                case 3:
                    path.mkdir()
                case _:
                    path.write_bytes(damage(random, picture_file(random)))
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        attempt(reader_of(folder, pick(random, [GREY, COLOUR])), size, number)
        attempt(lambda at=folder: propose(survey(str(at))), size, number)
        rmtree(folder)


def pickled_batch(random):
    batch = {"data": PIXELS[:, 0, :1].repeat(3072, 1), "labels": [0] * 6, "fine_labels": list("abcdef")}
    for name in ("labels", "data"):
        if random.random() < 0.2:
            batch[name] = pick(random, [None, [], [2**70] * 6, [[]] * 6, PIXELS, PIXELS / 1.0, "x", {}])
    return damage_pickle(random, pickle.dumps(batch, pick(random, [0, 2, 4, 5])))


def test_cifar(tmp_path):
    layouts = [
        (["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"], pickled_batch),
        (["train", "test", "meta"], pickled_batch),
        (["train.bin", "test.bin", "fine_label_names.txt"], lambda random: damage(random, bytes(3074 * 3))),
    ]
    for number, random in cases():
        folder, (names, write) = tmp_path / str(number), pick(random, layouts)
        folder.mkdir()
        for name in names:
            (folder / name).write_bytes(write(random))
        size = sum(path.stat().st_size for path in folder.iterdir())
        attempt(reader_of(folder, load_config("digits-mlp", {"image": [32, 32, 3]})), size, number)
        rmtree(folder)


def test_matlab(tmp_path):
    values = {"X": PIXELS.transpose(1, 2, 0), "y": np.arange(6)[:, None], "z": "text", "s": {"a": 1}}
    for number, random in cases():
        path, content = tmp_path / "a.mat", io.BytesIO()
        chosen = {name: value for name, value in values.items() if random.random() < 0.8}
        savemat(content, chosen, do_compression=random.random() < 0.5)
        path.write_bytes(damage(random, content.getvalue()))
        attempt(reader_of(path), path.stat().st_size, number)


def archive(random, kind):
    """Return a .zip or .tar of images and of other entries, such as links and devices."""
    content = io.BytesIO()
    names = ["0.png", "a/1.png", "b/2.jpg", "../3.png", "/4.png", ".png", "a" * 300 + ".png", "a\0.png", "readme.txt"]
    files = [(pick(random, names), damage(random, picture_file(random))) for _ in range(random.integers(0, 5))]
    if kind == "zip":
        with zipfile.ZipFile(content, "w", pick(random, [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as packed:
            for name, member in files:
                packed.writestr(name, member)
    else:
        with tarfile.open(fileobj=content, mode="w") as packed:
            for name, member in files:
                info = tarfile.TarInfo(name)
                info.type = pick(random, [tarfile.REGTYPE, tarfile.REGTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, b"S"])
                info.size, info.linkname = len(member), "/dev/zero"
                packed.addfile(info, io.BytesIO(member))
    return content.getvalue()


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_archives(tmp_path, monkeypatch):
    for number, random in cases():
        kind = pick(random, ["zip", "tar", "tar.gz"])
        path, content = tmp_path / f"a.{kind}", archive(random, kind)
        if kind == "tar.gz":
            monkeypatch.setenv("ALAE_CACHE", str(tmp_path / str(number)))
            content = gzip.compress(damage(random, content))
        path.write_bytes(damage(random, content))
        attempt(reader_of(path, pick(random, [GREY, COLOUR])), path.stat().st_size, number)
        attempt(lambda path=path: propose(survey(str(path))), path.stat().st_size, number)


LABELS = [None, np.zeros(6), np.full(6, np.nan), np.array(["a"] * 6), np.full(6, 2**63, "u8"), np.zeros((6, 0))]
PATHS = ["", "/dev/zero", "/dev/null.npz", "a\0b.npz", "a\0b", "x" * 5000, "~nobody/x", "\udcff", "\n"]


def test_arrays_in_memory():
    for number, random in cases():
        array, labels = np.zeros(pick(random, SHAPES), np.dtype(pick(random, DTYPES))), pick(random, LABELS)
        attempt(lambda a=array, b=labels: Arrays(a, b).fingerprint, array.nbytes, number)


@pytest.mark.parametrize("name", PATHS)
def test_names_without_data(name):
    attempt(reader_of(name), about=name)
    attempt(lambda: survey(name), about=name)
