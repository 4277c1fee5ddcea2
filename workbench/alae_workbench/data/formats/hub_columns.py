"""The columns of a data set of the Hub: which of them hold images and labels, and their values as labels."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from alae_core._support.text import short_repr, suggest
from alae_workbench.data.formats.row_groups import holds_bytes
from alae_workbench.data.label_choice import choose_name
from alae_workbench.data.labels import as_labels, number_classes
from alae_workbench.data.options import SourceOptions
from alae_workbench.data.source import UNLABELLED

# Names of the column of images, if there are several.
_IMAGE_TITLES = ("image", "img", "images", "picture", "photo", "pixel_values")


class Columns(NamedTuple):
    """The columns of images and labels.

    Attributes:
        image: the name of the column of images.
        labels: the names of the columns of labels: none, one of classes, or several of truth values.
        label_names: the names of the classes; () if unknown.
        are_classes: whether the column has the type ClassLabel.
        notes: labels that were found but cannot be used, and why.
    """

    image: str
    labels: tuple[str, ...]
    label_names: tuple[str, ...]
    are_classes: bool
    notes: tuple[str, ...]


def find_columns(schema: Any, features: dict[str, Any], options: SourceOptions) -> Columns:
    """Find the columns of images and labels in a `pyarrow.Schema`.

    Args:
        schema: the schema.
        features: the types that the library `datasets` recorded, by column.
        options: the user's choices.

    Raises ValueError if there is no column of images, and DataError if there is no column of the user's choice.
    """
    from pyarrow import types

    image = _find_image_column(schema, features, options.images)
    usable = [field.name for field in schema if field.name != image and _can_be_class(field.type)]
    if options.labels is not None:
        name = choose_name(usable, options.labels)
        found = (name,) if name else ()
        notes: tuple[str, ...] = ()
    else:
        classes = [name for name in schema.names if _type_of(features.get(name)) == "ClassLabel" and name in usable]
        chosen = "label" if "label" in usable else classes[0] if classes else choose_name(usable)
        truths = tuple(name for name in usable if types.is_boolean(schema.field(name).type))
        found = (chosen,) if chosen else truths
        unusable = [name for name in ("label", "labels") if name in schema.names and name not in usable]
        notes = tuple(
            f"found column {short_repr(name)}, not used: it is {schema.field(name).type}, not numbers or texts"
            for name in unusable
            if name != image
        )
        pictures = _list_image_columns(schema, features)
        others = [name for name in schema.names if name not in (image, *found, *unusable, *pictures)]
        if not found and others:
            notes += (f"columns not used: {', '.join(map(short_repr, others[:10]))}",)
    pictures = [name for name in _list_image_columns(schema, features) if name != image]
    if pictures and options.images is None:
        notes += (f"images from column {short_repr(image)}, not {', '.join(map(short_repr, pictures[:10]))}",)
    feature = features.get(found[0]) if len(found) == 1 else None
    are_classes = _type_of(feature) == "ClassLabel"
    names = (feature or {}).get("names") if are_classes else None
    label_names = tuple(map(str, names)) if isinstance(names, list) else ()
    if len(found) == 1 and types.is_boolean(schema.field(found[0]).type):
        label_names = ("False", "True")
    return Columns(image, found, label_names, are_classes, notes)


def _find_image_column(schema: Any, features: dict[str, Any], choice: str | None) -> str:
    """Return the chosen column, or that of type Image; of several the first with a usual name."""
    possible = [field.name for field in schema if holds_bytes(field.type)]
    if choice is not None:
        if choice not in possible:
            raise ValueError(
                f"it has no column {short_repr(choice)} of images; it has "
                f"{', '.join(map(short_repr, possible)) or 'none'}{suggest(choice, possible)}"
            )
        return choice
    typed = _list_image_columns(schema, features)
    usual = [name for name in _IMAGE_TITLES if name in typed]
    if len(typed) > 1 and usual:
        return usual[0]
    if len(typed) != 1:
        which = "; choose one with --images-from (training.images_from)" if typed else ""
        raise ValueError(
            f"it must have one column of images, bytes or bytes and a path; its columns are "
            f"{', '.join(schema.names)}{which}"
        )
    return typed[0]


def _list_image_columns(schema: Any, features: dict[str, Any]) -> list[str]:
    """Return the columns of type Image, or if none is recorded all of bytes, or bytes and a path."""
    possible = [field.name for field in schema if holds_bytes(field.type)]
    return [name for name in possible if _type_of(features.get(name)) == "Image"] or possible


def _type_of(feature: Any) -> Any:
    return feature.get("_type") if isinstance(feature, dict) else None


def _can_be_class(kind: Any) -> bool:
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    tests = (types.is_integer, types.is_floating, types.is_boolean, types.is_string, types.is_large_string)
    return any(test(kind) for test in tests)


def to_numpy(values: Any, are_classes: bool) -> np.ndarray:
    """Convert an Arrow array to numbers, with NaN or UNLABELLED for null, or to texts and None."""
    from pyarrow import int64, types

    if types.is_dictionary(values.type):
        values = values.dictionary_decode()
    kind = values.type
    if types.is_string(kind) or types.is_large_string(kind):
        return np.array(values.to_pylist(), object)
    if types.is_floating(kind):
        return values.to_numpy(zero_copy_only=False).astype(np.float64)
    numbers = values.cast(int64()).fill_null(UNLABELLED).to_numpy(zero_copy_only=False).copy()
    # -1 is the library's sign for a missing class.
    if are_classes:
        numbers[numbers == -1] = UNLABELLED
    return numbers


def convert_values(joined: Sequence[np.ndarray], columns: Columns) -> tuple[np.ndarray, tuple[str, ...]]:
    """Convert the values of one column of classes, or of several of attributes, to labels and their names.

    Raises DataError or ValueError if they cannot be labels.
    """
    if len(joined) > 1:
        attributes = np.stack(joined, axis=1).astype(np.float64)
        attributes[attributes == UNLABELLED] = np.nan
        return as_labels(attributes), columns.labels
    (values,) = joined
    known = ~_is_missing(values)
    if not known.any():
        raise ValueError("it has no values")
    numbers = np.full(len(values), UNLABELLED, np.int64)
    if values.dtype == object:
        numbers[known], names = number_classes([" ".join(text.split()) for text in values[known]])
        return numbers, names
    numbers[known] = as_labels(values[known])
    return numbers, columns.label_names


def _is_missing(values: np.ndarray) -> np.ndarray:
    if values.dtype == object:
        return np.array([value is None for value in values], bool)
    return np.isnan(values) if values.dtype.kind == "f" else values == UNLABELLED
