"""Resolve a data source: from the name of a data set or a path to its images."""

import os
from collections.abc import Callable
from collections.abc import Collection as Names
from glob import glob
from pathlib import Path

from alae_core._support.text import short_repr
from alae_workbench.data.builtin import BUILTIN
from alae_workbench.data.collection import Collection
from alae_workbench.data.formats.archive import ARCHIVES, is_archive, list_archive
from alae_workbench.data.formats.array_folder import is_array_folder, read_array_folder, read_lone_array_file
from alae_workbench.data.formats.arrays import is_array_file
from alae_workbench.data.formats.cifar import is_cifar, read_cifar
from alae_workbench.data.formats.folder import is_folder, list_folder
from alae_workbench.data.formats.hub import list_hub
from alae_workbench.data.formats.hub_files import HUB, is_hub
from alae_workbench.data.formats.idx import TRAINING_IMAGES, is_idx, read_idx_folder
from alae_workbench.data.formats.lmdb import is_lmdb, list_lmdb
from alae_workbench.data.formats.matlab import is_matlab, read_matlab
from alae_workbench.data.formats.text_table import TABLES
from alae_workbench.data.formats.tfrecord import is_tfrecord, list_tfrecords
from alae_workbench.data.listing import list_names
from alae_workbench.data.options import DEFAULTS, SourceOptions
from alae_workbench.data.prepared.reading import is_prepared, open_set
from alae_workbench.data.source import DataError, Splits, describe_error

# The number of folders around a checkpoint in which `find_again` searches: checkpoints/, the run, runs/, the project
# and one more.
_AROUND = 5

#: the images of a data source: arrays of one size, or pictures that are not decoded
Contents = Splits | Collection


def _without_choice(read: Callable[[Path], Contents]) -> Callable[[Path, SourceOptions], Contents]:
    """Return a reader with options of a format that offers no choice."""

    def read_with_options(path: Path, options: SourceOptions) -> Contents:
        options.refuse_choice(path, "labels", "images")
        return read(path)

    return read_with_options


# Whether a path has a format, given the names in it if it is a folder, and the function that reads the format.
# The first match is used.
_FORMATS: tuple[tuple[Callable[[Path, Names[str]], bool], Callable[[Path, SourceOptions], Contents]], ...] = (
    (is_prepared, _without_choice(open_set)),
    (is_idx, read_idx_folder),
    (is_cifar, read_cifar),
    (is_matlab, read_matlab),
    (is_array_file, read_lone_array_file),
    (is_array_folder, read_array_folder),
    (is_archive, list_archive),
    (is_tfrecord, _without_choice(list_tfrecords)),
    (is_lmdb, _without_choice(list_lmdb)),
    (is_hub, list_hub),
    (is_folder, list_folder),
)


# How the images in files of other programs become arrays; the file is f.
_CONVERSIONS = {
    **dict.fromkeys((".h5", ".hdf5", ".hdf"), "h5py.File(f)['images'][:]"),
    **dict.fromkeys((".pt", ".pth"), "torch.load(f, weights_only=True).numpy()"),
    **dict.fromkeys((".pkl", ".pickle"), "pickle.load(open(f, 'rb'))"),
}
# What to do with a text file that is given for images.
_TABLE_ADVICE = (
    "a table of labels is given to --labels, beside the folder of its images; a table of pixels must become arrays: "
    "a = numpy.loadtxt(f, int, delimiter=',', skiprows=1); numpy.savez('images.npz', labels=a[:, 0], "
    "images=a[:, 1:].reshape(-1, 28, 28))"
)
# Archives of other programs, and their parts.
_OTHER_ARCHIVES = (".7z", ".rar", ".bz2", ".tbz2", ".xz", ".txz", ".zst", ".gz", ".z01", ".001")


def open_source(name: str, options: SourceOptions = DEFAULTS) -> Contents:
    """Open a data source; picture files are listed, not decoded.

    Args:
        name: one of `BUILTIN`, or the path of a file or folder in one of the formats above.
        options: which of its images and labels are read, where it offers several.

    Raises:
        DataError: the data source does not exist, has an unknown format, cannot be read, or lacks what `options` say.
    """
    if name in BUILTIN:
        options.refuse_choice(name, "labels", "images")
        return BUILTIN[name]()
    path, is_directory = resolve_path(name)
    # "", for example from an unset variable in a script, would be the working directory.
    if not name or is_directory is None:
        raise DataError(
            f"there is no data {name!r}{_explain_name(name)}: give one of {', '.join(BUILTIN)}, an .npz or .npy file, "
            f"a folder, .zip, .tar, .tar.gz or .tfrecords of images, a prepared set, or a folder with {TRAINING_IMAGES}"
        )
    names = frozenset(list_names(path)) if is_directory else frozenset()
    if path.suffix.lower() in _CONVERSIONS and not is_directory:
        raise DataError(
            f"{path}: files that end in {path.suffix} are not read; store the images as arrays, such as "
            f"numpy.save('images.npy', {_CONVERSIONS[path.suffix.lower()]})"
        )
    for matches, read in _FORMATS:
        if matches(path, names):
            return read(path, options)
    if path.name.lower().endswith(_OTHER_ARCHIVES):
        raise DataError(
            f"{path} is an archive of a kind that is not read: unpack it, and give its folder, or one of its files"
        )
    is_table = path.name.lower().endswith(TABLES)
    advice = f"; {_TABLE_ADVICE}" if is_table else ""
    raise DataError(
        f"{path} has no known format: arrays of images end in .npz, .npy or .mat, archives of picture files in "
        f"{', '.join(ARCHIVES)}, records in .tfrecords, tables in {' or '.join(HUB)}, and LMDB is data.mdb; else "
        f"give a folder, or one of {', '.join(BUILTIN)}{advice}"
    )


def _explain_name(name: str) -> str:
    """Return why a name is that of no file, for the middle of a message; "" if that is unknown."""
    if "://" in name:
        return ", and addresses are not read, so download it"
    if any(mark in name for mark in "*?[") and glob(name):
        return ", and patterns are not read, only the folder of the images"
    slashes = name.replace("\\", "/")
    if slashes != name and resolve_path(slashes)[1] is not None:
        return f", but there is {slashes}, with / between folders"
    return ""


def make_absolute(name: str) -> str:
    """Return the absolute path of a data source, so that other directories find it; names of data sets stay."""
    if name in BUILTIN:
        return name
    path, is_directory = resolve_path(name)
    return name if is_directory is None or not name else os.path.abspath(path)


def find_again(name: str, checkpoint: Path) -> str | None:
    """Return where the data source is that a run recorded as `name`; None if it is not found.

    If nothing is there, the ends of its path are tried, longest first, in the folders around `checkpoint`, nearest
    first: a run may be copied to another place together with its data, and early versions recorded paths relative to
    the directory that training began in.
    """
    if name in BUILTIN or (name and resolve_path(name)[1] is not None):
        return make_absolute(name)
    path = Path(name)
    parts = path.parts[1:] if path.is_absolute() else path.parts
    ends = [Path(*parts[start:]) for start in range(len(parts))]
    places = (folder / end for end in ends for folder in checkpoint.absolute().parents[:_AROUND])
    return next((os.path.abspath(place) for place in places if place.exists()), None)


def require_found(name: str, checkpoint: Path, tell: Callable[[str], None] = print) -> str:
    """Return where the images are that `checkpoint` was trained on (`find_again`); call `tell` if they were moved.

    Raises DataError if they are not found.
    """
    place = find_again(name, checkpoint)
    if place is None:
        raise DataError(
            f"there is no data {name!r}, on which {checkpoint} was trained, and none of that name beside the run: give "
            "its place, or other images, with --data, or as SOURCE"
        )
    if place != make_absolute(name):
        tell(f"the training images of {checkpoint}, recorded as {name}, are read from {place}")
    return place


def resolve_path(name: str) -> tuple[Path, bool | None]:
    """Return the path that a user typed, and whether it is a folder; None if nothing is there.

    Raises DataError if the system cannot tell.
    """
    try:
        path = Path(name).expanduser()
        return path, (None if not path.exists() else path.is_dir())
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(f"{short_repr(name)} cannot be read: {describe_error(error)}") from error
