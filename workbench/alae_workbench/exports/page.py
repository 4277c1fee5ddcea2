"""The page of a model: static, with the model as ONNX and ONNX Runtime Web, or for a server that runs the model."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from typing import Any, Literal

import numpy as np
from PIL import Image

from alae_core import Alae, AlaeError
from alae_core._support.files import create_directory, write_atomically
from alae_core.images import to_uint8
from alae_core.program import Program
from alae_workbench.data.source import DataError, get_label_names
from alae_workbench.exports.export import DESCRIPTION, describe_model, describe_programs, export_model
from alae_workbench.exports.programs import ExportedNoise, ProgramName
from alae_workbench.exports.runtime import copy_runtime
from alae_workbench.models.directions import Direction, find_principal_directions, load_directions
from alae_workbench.models.mixing import layer_ranges, map_samples, take_turns
from alae_workbench.models.opening import CARD_KEY, OpenedModel

_PAGE = Path(__file__).parent / "page"
_DETAILS = "page.json"
#: the programs that a page runs
NETWORKS: tuple[ProgramName, ...] = ("F", "G", "E")
# Browsers are slow with networks of more bytes: those of 128×128 pixels have 56 MB.
_LARGE_BYTES = 30_000_000
# Maximum number of example images, and of samples that statistics of w are estimated from.
_EXAMPLES, _SAMPLES = 48, 256
_HINT = "The picture was cropped to its centre."
_FACES_HINT = f"{_HINT} This model expects aligned faces: `alae data align` crops photos the same way."


def export_page(
    opened: OpenedModel,
    out: Path,
    *,
    noise: ExportedNoise = "fixed",
    credit: str | None = None,
    runtime: Path | None = None,
) -> dict[str, float]:
    """Write a page around a model to the new directory `out`; return the largest error of each exported function.

    Any server of static files can serve it; opened as a file, browsers do not load it.

    Args:
        opened: the model, from `open_for_export`.
        out: the new directory.
        noise, credit: as for `export_model`.
        runtime: see `copy_runtime`.

    Raises AlaeError if `out` exists or the page cannot show such a model, and as `export_model` and `copy_runtime`.
    """
    with _creating_page(opened, out, "browser"):
        copy_runtime(out / "runtime", runtime)
        return export_model(opened, out / "model", "onnx", functions=NETWORKS, noise=noise, credit=credit)


def write_server_page(opened: OpenedModel, out: Path, programs: Sequence[Program]) -> None:
    """Write the page of a model to the new directory `out`, for a server that runs its `programs` (`model_server`).

    Raises AlaeError if `out` exists or the page cannot show such a model.
    """
    with _creating_page(opened, out, "server"):
        description = describe_model(opened, "fixed", None) | {"functions": describe_programs(programs)}
        (out / "model").mkdir()
        write_atomically(out / "model" / DESCRIPTION, json.dumps(description, ensure_ascii=False).encode())


def judge_size(page: Path) -> str | None:
    """Return a sentence on the networks of a page from `export_page` if they are large for a browser, or None."""
    size = json.loads((page / "model" / _DETAILS).read_text("utf-8"))["networkBytes"]
    if size <= _LARGE_BYTES:
        return None
    return (
        f"the page loads networks of {size / 1e6:.0f} MB, and may take seconds for a picture: `alae demo RUN --server` "
        "computes pictures outside the browser"
    )


@contextmanager
def _creating_page(opened: OpenedModel, out: Path, computed_by: Literal["browser", "server"]) -> Iterator[None]:
    """Create the directory of a page; in the context, its folder `model` and all that it needs to run are added."""
    model = opened.model
    if not model.has("FGE"):
        raise AlaeError(f"the page needs F, G and E, but the algorithm {model.config.algorithm} lacks one of them")
    if model.config.reciprocity == "z":
        raise AlaeError("the page needs an E that returns w, but with reciprocity z it returns an estimate of z")
    if model.image_shape()[2] not in (1, 3):
        raise AlaeError(f"the page shows grey and RGB images, but this model has {model.image_shape()[2]} channels")
    if out.exists():
        raise AlaeError(f"{out} exists already: choose another name")
    examples = _load_examples(opened)
    with create_directory(out):
        copytree(_PAGE, out, dirs_exist_ok=True)
        yield
        # The files that a browser loads.
        size = sum(file.stat().st_size for file in (out / "model").glob("*.onnx"))
        details = {"computedBy": computed_by, "networkBytes": size, **_describe(opened, examples)}
        write_atomically(out / "model" / _DETAILS, json.dumps(details, ensure_ascii=False).encode())
        if len(examples.images):
            row = np.concatenate(list(to_uint8(examples.images)), axis=1)
            Image.fromarray(row[..., 0] if row.shape[2] == 1 else row).save(out / "model" / "examples.png")


@dataclass(frozen=True)
class _Examples:
    """Held-out images (count, H, W, C), and for models with labels their classes and the names of all classes."""

    images: np.ndarray
    labels: np.ndarray | None = None
    class_names: tuple[str, ...] = ()


def _load_examples(opened: OpenedModel) -> _Examples:
    """Return a few held-out images, or none if the training images are not on this machine."""
    model = opened.model
    try:
        source = opened.load_images()
        images, labels = opened.read_images(source, _EXAMPLES)
    except DataError:
        return _Examples(np.empty((0, *model.image_shape()), np.float32))
    return _Examples(images, labels, get_label_names(source) if model.config.labels else ())


def _describe(opened: OpenedModel, examples: _Examples) -> dict[str, object]:
    """Return the page's own data, in addition to the description of the export, as plain data."""
    model = opened.model
    codes = map_samples(model, _SAMPLES)
    variance = float(codes.var(axis=0).mean())
    count = len(examples.images)
    if count:
        labels, latents = examples.labels, model.encode(examples.images, labels=examples.labels)
        images = f"{count} images that it was not trained on"
    else:
        labels, latents, images = take_turns(model, range(_SAMPLES)), codes, f"{_SAMPLES} samples"
    errors = ((model.reencode(latents, labels=labels) - latents) ** 2).mean(axis=1) / variance
    directions = (load_directions(opened.run) if opened.run else []) or find_principal_directions(model)
    directions = sorted(directions, key=lambda direction: -(direction.effect or 0))
    is_face = opened.training.data is not None and any(word in opened.training.data for word in ("ffhq", "celeba"))
    return {
        "title": _make_title(opened),
        "trainingImages": _count_training_images(opened),
        "variance": variance,
        "meanReciprocity": float(errors.mean()),
        "meanOf": images,
        "exampleCount": count,
        "exampleClasses": [] if examples.labels is None else examples.labels.tolist(),
        "classNames": list(examples.class_names),
        "hint": _FACES_HINT if is_face else _HINT,
        "layerRanges": _list_layers(model),
        "directions": {
            direction.name: [round(float(value), 6) for value in direction.vector] for direction in directions
        },
        "labels": {direction.name: _label(direction) for direction in directions},
    }


def _make_title(opened: OpenedModel) -> str:
    data = opened.training.data
    return f"A model of {Path(data).name if data else 'pictures'}"


def _count_training_images(opened: OpenedModel) -> int | None:
    """Return the number of training images, which only the card of an exported run has."""
    card: Mapping[str, Any] = opened.checkpoint.run.get(CARD_KEY) or {}
    return card.get("images", {}).get("train")


def _list_layers(model: Alae) -> dict[str, list[int]]:
    """Return the first layer and the one after the last of coarse, middle and fine styles; {} without styles."""
    if model.view is None:
        return {}
    ranges = layer_ranges(model.view.lod + 1)
    return {name: [2 * levels.start, 2 * levels.stop] for name, levels in ranges.items()}


def _label(direction: Direction) -> str:
    return direction.name.removeprefix("shift-").replace("-", " ").replace("_", " ")
