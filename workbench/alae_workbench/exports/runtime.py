"""ONNX Runtime Web, which runs models in the browser: from the cache, or downloaded from npm, and verified."""

import tarfile
from hashlib import sha256
from pathlib import Path
from typing import IO
from urllib.error import URLError
from urllib.request import urlopen

from alae_core import AlaeError
from alae_core._support.cache import cache_directory
from alae_core._support.files import open_regular, write_atomically

VERSION = "1.30.0"
#: the files that the page loads, and their SHA-256
FILES = {
    "ort.wasm.bundle.min.mjs": "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    "ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
_URL = f"https://registry.npmjs.org/onnxruntime-web/-/onnxruntime-web-{VERSION}.tgz"
_FOLDER = "package/dist/"
_MOST_BYTES, _TIMEOUT_SECONDS = 2**27, 60


def copy_runtime(out: Path, source: Path | None = None) -> None:
    """Write the files of ONNX Runtime Web to the directory `out`.

    Args:
        out: the directory; it is created.
        source: onnxruntime-web as an npm package: its .tgz, its folder, or the folder `dist` in it. By default the
            cache is used, and filled from npm once (33 MB).

    Raises AlaeError if the files are missing, differ from those of `VERSION`, or cannot be downloaded.
    """
    cached = cache_directory() / "runtime" / f"onnxruntime-web-{VERSION}"
    if source is not None and source.is_file():
        with open_regular(source) as stream:
            files = _read_archive(source, stream)
    elif source is not None:
        files = _read_folder(source)
    elif all((cached / name).exists() for name in FILES):
        files = _read_folder(cached)
    else:
        files = _download()
        _write(cached, files)
    _write(out, files)


def _write(out: Path, files: dict[str, bytes]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_atomically(out / name, content)


def _download() -> dict[str, bytes]:
    try:
        with urlopen(_URL, timeout=_TIMEOUT_SECONDS) as answer:
            return _read_archive(Path(_URL), answer)
    except OSError as error:
        reason = error.reason if isinstance(error, URLError) else error.strerror or error
        raise AlaeError(
            f"ONNX Runtime Web cannot be downloaded ({reason}): get it by `npm pack onnxruntime-web@{VERSION}`, and "
            "give the file by --runtime"
        ) from error


def _read_archive(path: Path, stream: IO[bytes]) -> dict[str, bytes]:
    """Return the needed files of an npm package, read from a stream as far as necessary."""
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=stream, mode="r|gz") as archive:
            for member in archive:
                name = member.name.removeprefix(_FOLDER)
                if name in FILES and member.isfile() and member.size <= _MOST_BYTES:
                    file = archive.extractfile(member)
                    found[name] = file.read() if file else b""
    except (tarfile.TarError, EOFError) as error:
        raise AlaeError(f"{path} is not a package of npm: {error}") from error
    return _verify(path, found)


def _read_folder(folder: Path) -> dict[str, bytes]:
    places = [folder, folder / "dist"]
    found = {name: (place / name).read_bytes() for place in places for name in FILES if (place / name).is_file()}
    return _verify(folder, found)


def _verify(path: Path, found: dict[str, bytes]) -> dict[str, bytes]:
    for name, digest in FILES.items():
        if name not in found:
            raise AlaeError(f"{path} has no {name}; it must be onnxruntime-web {VERSION} of npm")
        if sha256(found[name]).hexdigest() != digest:
            raise AlaeError(f"{name} in {path} is not that of onnxruntime-web {VERSION}: its SHA-256 differs")
    return found
