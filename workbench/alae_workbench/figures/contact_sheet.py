"""A contact sheet: examples of the images of a data source."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

from alae_core._support.text import count_things
from alae_core.images import to_float
from alae_workbench.data.collection import Collection, as_collection
from alae_workbench.data.inspection import label_parts
from alae_workbench.data.labels import is_labelled
from alae_workbench.data.options import DEFAULTS, SourceOptions
from alae_workbench.data.picture_file import Reading, read_header, read_image
from alae_workbench.data.reading import decide_reading
from alae_workbench.data.resolve import Contents
from alae_workbench.data.source import DataError
from alae_workbench.figures.grid import compose_grid, split_rows
from alae_workbench.models.sampling import ROW

# Rows of a sheet, and pixels a side to which larger images are reduced.
_ROWS, _CELL = 8, 96


def draw_contact_sheet(name: str, contents: Contents, options: SourceOptions = DEFAULTS) -> Image.Image:
    """Draw examples spread evenly over the images of a data source, with a row for each class if there are few.

    Args:
        name: the data source; its last path component is in the caption.
        contents: the result of `open_source(name, options)`.
        options: how the images are read.

    Raises DataError if the images have neither 1 nor 3 channels.
    """
    if isinstance(contents, Collection):
        tests = {"to test on": contents.test} if contents.test else {}
        parts = {"to train on" if tests else "": contents, **tests}
        reading, _ = decide_reading(name, [pictures.files for pictures in parts.values()], "pad", options)
    else:
        reading = Reading("pad")
        parts = {part: as_collection(source, name) for part, source in label_parts(contents).items()}
    sections = []
    for part, pictures in parts.items():
        for title, indices in _choose_rows(pictures, _ROWS // len(parts)):
            images = _read_cells(pictures, indices, reading)
            if len(images):
                sections.append((" · ".join(filter(None, (part, title))), split_rows(images)))
    count = sum(map(len, parts.values()))
    return compose_grid(sections, f"{Path(name).name} · {count_things(count, 'image')}")


def _choose_rows(pictures: Collection, rows: int) -> Iterator[tuple[str, np.ndarray]]:
    """Choose pictures for the rows of a sheet: a title and indices for each section."""
    labels = pictures.labels
    if labels is None or labels.ndim > 1 or len(np.unique(labels)) > 2 * _ROWS:
        yield "evenly spread over all", _select_evenly(np.arange(len(pictures)), rows * ROW)
        return
    for number in np.unique(labels[is_labelled(labels)]):
        indices = np.flatnonzero(labels == number)
        known = 0 <= number < len(pictures.label_names)
        name = pictures.label_names[number] if known else f"class {number}"
        yield f"{name}: {len(indices):,}", _select_evenly(indices, ROW)


def _select_evenly(indices: np.ndarray, count: int) -> np.ndarray:
    return indices[np.unique(np.linspace(0, len(indices) - 1, min(count, len(indices))).round().astype(int))]


def _read_cells(pictures: Collection, indices: np.ndarray, reading: Reading) -> np.ndarray:
    """Read the readable pictures: small squares of one size as they are, others reduced to fit a cell."""
    files = [pictures.files[int(index)] for index in indices]
    sizes = {header[:2] for header in map(read_header, files) if header is not None}
    width, height = sizes.pop() if len(sizes) == 1 else (_CELL, _CELL)
    shape = (height, width, 3) if width == height <= _CELL else (_CELL, _CELL, 3)
    images = []
    for file in files:
        with suppress(DataError):
            images.append(read_image(file, shape, reading))
    return to_float(np.stack(images)) if images else np.empty(0)
