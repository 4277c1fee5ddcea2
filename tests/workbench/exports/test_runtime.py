"""ONNX Runtime Web: from a package, a folder or the cache, and verified."""

import io
import tarfile
from hashlib import sha256
from urllib.error import URLError

import pytest

from alae_core import AlaeError
from alae_workbench.exports import runtime

CONTENT = {"ort.wasm.bundle.min.mjs": b"script", "ort-wasm-simd-threaded.wasm": b"program"}


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    """Files of a few bytes take the place of the real ones, in a cache of the test's own."""
    monkeypatch.setattr(runtime, "FILES", {name: sha256(content).hexdigest() for name, content in CONTENT.items()})
    monkeypatch.setenv("ALAE_CACHE", str(tmp_path / "cache"))


def make_package(content=CONTENT):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, bytes_ in {"README.md": b"text", **content}.items():
            info = tarfile.TarInfo(f"package/dist/{name}")
            info.size = len(bytes_)
            archive.addfile(info, io.BytesIO(bytes_))
    return stream.getvalue()


def read(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_files_come_from_a_package_or_its_folder(tmp_path):
    (tmp_path / "ort.tgz").write_bytes(make_package())
    runtime.copy_runtime(tmp_path / "first", tmp_path / "ort.tgz")
    assert read(tmp_path / "first") == CONTENT
    (tmp_path / "package" / "dist").mkdir(parents=True)
    for name, content in CONTENT.items():
        (tmp_path / "package" / "dist" / name).write_bytes(content)
    for source in ("package", "package/dist"):
        runtime.copy_runtime(tmp_path / "second", tmp_path / source)
        assert read(tmp_path / "second") == CONTENT
    assert not (tmp_path / "cache").exists()


def test_files_are_downloaded_once(tmp_path, monkeypatch):
    answers = [io.BytesIO(make_package())]
    monkeypatch.setattr(runtime, "urlopen", lambda url, timeout: answers.pop())
    for name in ("first", "second"):
        runtime.copy_runtime(tmp_path / name)
        assert read(tmp_path / name) == CONTENT
    assert answers == []


def test_other_files_are_refused(tmp_path, monkeypatch):
    (tmp_path / "ort.tgz").write_bytes(make_package(CONTENT | {"ort.wasm.bundle.min.mjs": b"changed"}))
    with pytest.raises(AlaeError, match=r"ort.wasm.bundle.min.mjs in .*ort.tgz is not that of onnxruntime-web 1"):
        runtime.copy_runtime(tmp_path / "out", tmp_path / "ort.tgz")
    with pytest.raises(AlaeError, match=r"has no ort.wasm.bundle.min.mjs; it must be onnxruntime-web 1"):
        runtime.copy_runtime(tmp_path / "out", tmp_path)
    (tmp_path / "text.tgz").write_bytes(b"text")
    with pytest.raises(AlaeError, match=r"text.tgz is not a package of npm"):
        runtime.copy_runtime(tmp_path / "out", tmp_path / "text.tgz")

    def refuse(url, timeout):
        raise URLError("no network")

    monkeypatch.setattr(runtime, "urlopen", refuse)
    with pytest.raises(AlaeError, match=r"cannot be downloaded \(no network\): get it by `npm pack onnxruntime-web@1"):
        runtime.copy_runtime(tmp_path / "out")
    assert not (tmp_path / "out").exists()
