"""A static page that runs a model in the browser: its files, the model as ONNX, and ONNX Runtime Web."""

import json
import re
from pathlib import Path
from shutil import copytree

import numpy as np
from PIL import Image

from alae_core import Alae, AlaeError
from alae_core._support.files import create_directory, write_atomically
from alae_core.images import to_uint8
from alae_workbench.data.source import DataError
from alae_workbench.exports.export import export_model
from alae_workbench.exports.programs import ExportedNoise
from alae_workbench.exports.runtime import copy_runtime
from alae_workbench.models.directions import Direction, find_principal_directions, load_directions
from alae_workbench.models.mixing import layer_ranges
from alae_workbench.models.opening import OpenedModel

_PAGE = Path(__file__).parent / "page"
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

    Raises AlaeError if the model lacks F, G or E or has labels, and as `export_model` and `copy_runtime`.
    """
    model = opened.model
    if not model.has("FGE"):
        raise AlaeError(f"the page needs F, G and E, but the algorithm {model.config.algorithm} lacks one of them")
    if model.config.labels:
        raise AlaeError(f"the page is for models without labels, but this model has {model.config.labels} classes")
    if model.config.reciprocity == "z":
        raise AlaeError("the page needs an E that returns w, but with reciprocity z it returns an estimate of z")
    if model.image_shape()[2] not in (1, 3):
        raise AlaeError(f"the page shows grey and RGB images, but this model has {model.image_shape()[2]} channels")
    if out.exists():
        raise AlaeError(f"{out} exists already: choose another name")
    examples = _load_examples(opened)
    with create_directory(out):
        copy_runtime(out / "runtime", runtime)
        copytree(_PAGE, out, dirs_exist_ok=True)
        errors = export_model(opened, out / "model", "onnx", functions=("F", "G", "E"), noise=noise, credit=credit)
        details = _describe(opened, examples)
        write_atomically(out / "model" / "page.json", json.dumps(details, ensure_ascii=False).encode())
        if len(examples):
            row = np.concatenate(list(to_uint8(examples)), axis=1)
            Image.fromarray(row[..., 0] if row.shape[2] == 1 else row).save(out / "model" / "examples.png")
    return errors


def _load_examples(opened: OpenedModel) -> np.ndarray:
    """Return a few held-out images, (count, H, W, C), or none if the training images are not on this machine."""
    model = opened.model
    try:
        return opened.read_images(None, _EXAMPLES)[0]
    except DataError:
        return np.empty((0, *model.image_shape()), np.float32)


def _describe(opened: OpenedModel, examples: np.ndarray) -> dict[str, object]:
    """Return the page's own data, in addition to the description of the export, as plain data."""
    model = opened.model
    codes = model.map(model.sample_prior(_SAMPLES))
    variance = float(codes.var(axis=0).mean())
    if len(examples):
        latents, images = model.encode(examples), f"{len(examples)} images that it was not trained on"
    else:
        latents, images = codes, f"{len(codes)} samples"
    errors = ((model.reencode(latents) - latents) ** 2).mean(axis=1) / variance
    directions = (load_directions(opened.run) if opened.run else []) or find_principal_directions(model)
    directions = sorted(directions, key=lambda direction: -(direction.effect or 0))
    is_face = opened.training.data is not None and any(word in opened.training.data for word in ("ffhq", "celeba"))
    return {
        "title": _make_title(opened),
        "variance": variance,
        "meanReciprocity": float(errors.mean()),
        "meanOf": images,
        "exampleCount": len(examples),
        "hint": _FACES_HINT if is_face else _HINT,
        "layerRanges": _list_layers(model),
        "directions": {
            direction.name: [round(float(value), 6) for value in direction.vector] for direction in directions
        },
        "labels": {direction.name: _label(direction) for direction in directions},
    }


def _make_title(opened: OpenedModel) -> str:
    description = opened.model.config.description or f"{opened.model.config.networks.family} networks"
    # Descriptions of presets begin with the model's name.
    title = re.split("[,;]", description)[0]
    return title[0].upper() + title[1:]


def _list_layers(model: Alae) -> dict[str, list[int]]:
    """Return the first layer and the one after the last of coarse, middle and fine styles; {} without styles."""
    if model.view is None:
        return {}
    ranges = layer_ranges(model.view.lod + 1)
    return {name: [2 * levels.start, 2 * levels.stop] for name, levels in ranges.items()}


def _label(direction: Direction) -> str:
    return direction.name.removeprefix("shift-").replace("-", " ").replace("_", " ")
