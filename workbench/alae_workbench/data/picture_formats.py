"""The formats of picture files: their endings, the bytes that they begin with, and Pillow's readers for them."""

import re
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec

from PIL import Image

from alae_workbench.data.listing import NEEDS_HEIF, NOT_PICTURE, UNFINISHED, get_ending
from alae_workbench.data.wrong_content import explain_failed_download

_HEIF_ENDINGS = (".heic", ".heif", ".hif")
#: file name endings of picture files
ENDINGS = (
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".pjpeg", ".mpo", ".webp", ".avif", ".avifs", ".bmp"),
    *(".dib", ".tif", ".tiff", ".gif", ".pgm", ".ppm", ".pbm", ".pnm", ".pfm", ".jp2", ".j2k", ".jpx", ".qoi", ".tga"),
    *(".pcx", ".sgi", ".ico"),
    *_HEIF_ENDINGS,
)
# Pillow ignores the ending and supports many more formats, some of which start other programs.
_FORMATS = (
    *("PNG", "JPEG", "WEBP", "BMP", "DIB", "TIFF", "GIF", "AVIF", "PPM", "JPEG2000", "QOI", "PCX", "SGI", "ICO"),
    "HEIF",
)
# The content of a TGA has no mark, so only the ending tells.
_UNMARKED = {".tga": ("TGA",)}
# Endings of common files that are not pictures; their content is not inspected.
_NO_PICTURES = frozenset(
    {
        *(".txt", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".md", ".rst", ".html", ".htm", ".pdf"),
        *(".py", ".ipynb", ".sh", ".bat", ".exe", ".dll", ".so", ".log", ".ini", ".db", ".lock", ".cls", ".labels"),
        *(".npy", ".npz", ".mat", ".pkl", ".h5", ".hdf5", ".parquet", ".arrow", ".tfrecords", ".pt", ".pth"),
        *(".safetensors", ".zip", ".tar", ".gz", ".tgz", ".xz", ".bz2", ".7z", ".rar", ".svg", ".eps", ".ps", ".psd"),
        *(".ai", ".mp4", ".mov", ".avi", ".mkv", ".webm", ".mp3", ".wav", ".caf", ".pts", ".ann"),
    }
)
# Endings that browsers and copying programs give to files until they are complete; editors mark backups by a tilde.
_UNFINISHED, _BACKUP = (".part", ".partial", ".crdownload", ".opdownload", ".filepart", ".aria2"), "~"
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_STARTS = (
    *(b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"qoif"),
    *(b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),
)
_PORTABLE = re.compile(rb"P[1-6fF]\s")
#: number of bytes from which `find_fault_of_name` recognises a picture
HEAD_BYTES = 32


def find_fault_of_name(name: str, read_head: Callable[[], bytes]) -> str:
    """Return why a file is not a picture to read; "" if it is one.

    Files with the ending of a picture are taken without looking at them, so that damaged ones are found later; the
    content decides for endings that are neither of pictures nor of other common files, and for names without one.

    Args:
        name: the file's name.
        read_head: returns its first bytes. May raise OSError or ValueError.
    """
    ending = get_ending(name)
    if ending in ENDINGS:
        return NEEDS_HEIF if ending in _HEIF_ENDINGS and not has_heif() else ""
    if ending in _UNFINISHED or name.endswith(_BACKUP):
        return UNFINISHED
    if ending in _NO_PICTURES:
        return NOT_PICTURE
    try:
        head = read_head()
    except (OSError, ValueError):
        return NOT_PICTURE
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS:
        return "" if has_heif() else NEEDS_HEIF
    return "" if _is_picture(head) else NOT_PICTURE


def _is_picture(head: bytes) -> bool:
    if head.startswith(_STARTS) or _PORTABLE.match(head):
        return True
    if head[:4] == b"RIFF":
        return head[8:12] == b"WEBP"
    if head[4:8] == b"ftyp":
        return head[8:12] in (b"avif", b"avis")
    # After "BM" and the size of the file, reserved zeros, and the size of a header.
    return head[:2] == b"BM" and head[6:10] == bytes(4) and head[14:18] in _BMP_HEADERS


_BMP_HEADERS = {size.to_bytes(4, "little") for size in (12, 40, 52, 56, 64, 108, 124)}


def explain_content(head: bytes, name: str) -> str:
    """Describe a file that Pillow cannot open although its name is that of a picture, given its first bytes."""
    if _is_picture(head):
        return (
            "it is a kind of this format that is not read, such as floats of 64 bits or raw data of a camera: convert "
            "it, or give the images as an array in a .npy file"
        )
    none = f"its content is none of {', '.join(list_formats(name))}" if head else "it is empty"
    return explain_failed_download(head, "picture") or none


def has_heif() -> bool:
    """Whether HEIC pictures can be read."""
    return find_spec("pillow_heif") is not None


def list_formats(name: str) -> tuple[str, ...]:
    """Return Pillow's names of the formats that a file of this name may have."""
    return (*_installed_formats(), *_UNMARKED.get(get_ending(name), ()))


@cache
def _installed_formats() -> tuple[str, ...]:
    if has_heif():
        from pillow_heif import register_heif_opener

        register_heif_opener()
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)
