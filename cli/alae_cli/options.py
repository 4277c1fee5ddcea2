"""The options that several commands share, and functions that parse them."""

from collections.abc import Callable, Sequence
from os.path import isdir, isfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from alae_core import AlaeError, ArgumentError
from alae_core._support.text import short_repr
from alae_core.spread import Devices
from alae_core.view import NoiseWord

if TYPE_CHECKING:
    from alae_workbench.data.options import SourceOptions


Value = TypeVar("Value")
_KINDS: dict[Any, str] = {int: "a whole number", float: "a number"}

_MODEL = "Run of `alae train`, one of its checkpoints, a .zip of `alae export`"
Model = Annotated[Path, typer.Argument(help=f"{_MODEL}, or hf://OWNER/NAME.", show_default=False)]
#: help of an argument that may also be the word `shipped`
MODEL_OR_SHIPPED = f"{_MODEL}, hf://OWNER/NAME, or `shipped` for the model that ships with alae."
ModelOrShipped = Annotated[
    Path | None, typer.Argument(metavar="[MODEL]", help=MODEL_OR_SHIPPED, show_default="shipped")
]
Source = Annotated[
    str | None,
    typer.Argument(
        help="Images: what `alae train --data` takes, an image file, or a .npy or .npz of latents w, which stand for "
        "their images.",
        show_default="the run's held-out images",
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of every z.")]
Count = Annotated[int | None, typer.Option(min=1, help="Maximum number of images.", show_default="8")]
Lod = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Level of detail, for images of 4·2^lod pixels (style models).",
        show_default="the level that training reached",
    ),
]
Noise = Annotated[
    NoiseWord | None,
    typer.Option(
        help="Noise that G adds (style models): fixed, the same for every image and on every backend; random, new at "
        "every call; none; or bump, the constant that the authors' code adds with noise off.",
        show_default="fixed",
    ),
]
Averaged = Annotated[
    bool,
    typer.Option(
        "--averaged/--raw",
        help="Use the running averages of the networks, which lag in short runs, or the networks as trained.",
    ),
]
BackendName = Annotated[
    str | None,
    typer.Option(
        "--backend",
        "-b",
        help="Backend: jax, torch, tensorflow or another installed one.",
        show_default="KERAS_BACKEND, or the first installed",
    ),
]
Plugins = Annotated[
    list[str] | None,
    typer.Option(
        "--plugin",
        metavar="FILE_OR_MODULE",
        help="Load algorithms, networks or objectives of your own from a .py file or a module (docs/your-own.md). "
        "Repeat for several. On the same machine, a run that was trained with them opens without it.",
        show_default=False,
    ),
]
Device = Annotated[
    str | None,
    typer.Option(help="Device: cpu, gpu, gpu:1, …", show_default="the accelerator, if there is one"),
]
CropName = Annotated[
    Literal["ffhq", "celeba"],
    typer.Option(
        help="Margin around each face: ffhq as in FFHQ and CelebA-HQ, celeba closer, as in the authors' CelebA."
    ),
]
SaveW = Annotated[
    bool,
    typer.Option("--save-w", help="Also write the latents of the images as an array, OUT with the ending .w.npy."),
]
FromRun = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="RUN",
        help="Start from the weights of a run, checkpoint, .zip of `alae export`, hf://OWNER/NAME or `shipped`, "
        "and by default from its configuration (docs/fine-tuning.md).",
        show_default=False,
    ),
]
Partial = Annotated[
    bool, typer.Option("--partial", help="With --from: take over the weights that fit, and list the others.")
]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Skip unreadable image files, and count them.")]
LabelsFrom = Annotated[
    str | None,
    typer.Option(
        "--labels",
        metavar="FROM",
        help="Labels of the images: a file, array or column in the data, folders or none.",
        show_default="the first that docs/data.md lists",
    ),
]
ImagesFrom = Annotated[
    str | None,
    typer.Option(
        "--images-from",
        metavar="NAME",
        help="Array or column that holds the images, if there are several.",
        show_default="the first that docs/data.md lists",
    ),
]
Range = Annotated[
    str,
    typer.Option(
        "--range",
        metavar="BLACK..WHITE",
        help="Values of black and white, such as 0..1 or 0..4095; auto finds them from all images.",
    ),
]
CropBox = Annotated[
    str | None,
    typer.Option(
        "--crop-box",
        metavar="ROWS,COLUMNS",
        help='Rows and columns of image files to use, such as "60:188, 25:153 of 218x178".',
        show_default="all",
    ),
]
Runtime = Annotated[
    Path | None,
    typer.Option(
        help="onnxruntime-web for the page: the .tgz of `npm pack`, or its folder.",
        show_default="the cache, filled from npm once",
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Set any field of the configuration, e.g. adam.learning_rate=1e-3. Repeat for several.",
        show_default=False,
    ),
]


def truncation_option(default: str) -> Any:
    """Return the option --truncation. Its parameter must be `psi`, as in the library, so errors name the flag."""
    return typer.Option(
        "--truncation",
        min=0,
        max=1,
        help="Truncation ψ of samples, w′ = mean + ψ · (w − mean) (style models).",
        show_default=default,
    )


Truncation = Annotated[float | None, truncation_option("the configuration's")]


def parse_image_count(text: str) -> int:
    """Parse a number of images such as 20000, 600k or 2M. Raises BadParameter for anything else."""
    factor = {"k": 1_000, "m": 1_000_000}.get(text[-1:].lower(), 1)
    digits = text[:-1] if factor > 1 else text
    try:
        return round(float(digits) * factor)
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(f"{text!r} must be a number such as 20000, 600k or 2M") from error


def parse_devices(text: str) -> Devices:
    """Parse a number of devices, or "all". Raises BadParameter for anything else."""
    if text == "all":
        return "all"
    if not text.isdecimal() or not 1 <= int(text) <= 10_000:
        raise typer.BadParameter(f"{text!r} must be a number of devices, or all")
    return int(text)


def devices_option(use: str) -> Any:
    """Return the option --devices, which `use` describes. Its values are `Devices`."""
    return typer.Option(parser=parse_devices, metavar="N|all", help=f"{use} (docs/scaling.md).", show_default="1")


SharedBy = Annotated[Any, devices_option("Devices of this machine that share each batch, with JAX")]
Images = Annotated[
    int | None,
    typer.Option(
        parser=parse_image_count,
        metavar="N",
        help="Training length in images, e.g. 600k or 2M; only for a configuration made for the data.",
        show_default="200k",
    ),
]


def picture_out(also: str = "") -> Any:
    """Return the option --out of a command that writes a picture; `also` describes other formats it can write."""
    return typer.Option(help=f"Picture to write, .png, .svg or .pdf{also}.")


def make_source_options(labels: str | None, images: str | None, values: str, crop_box: str | None) -> "SourceOptions":
    """Return the options of a data source. Raises AlaeError if the range or the crop box cannot be parsed."""
    from alae_workbench.data.crop_box import parse_crop_box
    from alae_workbench.data.options import SourceOptions
    from alae_workbench.data.ranges import parse_range

    try:
        value_range, box = parse_range(values), parse_crop_box(crop_box) if crop_box else None
    except ValueError as error:
        raise AlaeError(str(error)) from error
    return SourceOptions(labels=labels, images=images, range=value_range, crop_box=box)


def images_out(npy: str = "float32 (count, H, W, C) in [-1, 1]") -> Any:
    """Return the option --out of a command that writes images as a figure, as arrays or as single pictures."""
    return picture_out(
        f"; .npy: {npy}; .npz: the images as uint8 in arr_0; or a folder for a .png of each image, a name without "
        "ending. With --count 1 a .png is the image alone"
    )


def parse_list(argument: str, texts: Sequence[str] | None, convert: Callable[[str], Value]) -> list[Value]:
    """Split the values of an option or argument at commas; `["1,2", "3"]` becomes `[1, 2, 3]` if `convert` is int.

    Args:
        argument: the parameter's Python name, for messages.
        texts: the values as typed, one for each time that the option was given; None counts as none.
        convert: makes a value from its text; raises ValueError if it cannot.

    Raises ArgumentError if a value is empty or cannot be converted.
    """
    values = []
    for text in texts or ():
        for word in map(str.strip, text.split(",")):
            if not word:
                raise ArgumentError(argument, f"is {text!r}: a value is empty; separate values by single commas")
            try:
                values.append(convert(word))
            except AlaeError:
                raise
            except ValueError as error:
                raise ArgumentError(argument, f"is {text!r}: {word!r} is not {_KINDS.get(convert, 'valid')}") from error
    return values


def parse_overrides(assignments: Sequence[str] | None) -> dict[str, Any]:
    """Parse `["a.b=1"]` to `{"a.b": 1}`; values are YAML. Raises AlaeError for one without `=` or with broken YAML."""
    import yaml

    from alae_core._support.yaml_text import parse_yaml

    overrides = {}
    for assignment in assignments or []:
        key, equals, value = assignment.partition("=")
        if not equals or not key:
            raise AlaeError(f"--set {short_repr(assignment)} must be KEY=VALUE, such as adam.learning_rate=1e-3")
        try:
            overrides[key] = parse_yaml(value)
        except yaml.YAMLError as error:
            raise AlaeError(f"--set {short_repr(assignment)}: the value is not YAML: {error}") from error
    return overrides


def locate_model(model: Path | None) -> Path:
    """Return the run to open; if it is the model that ships with alae, print a line about it."""
    # not at the top: they would slow every command down
    from alae_core.run_archive import ZIP
    from alae_core.run_source import parse_address
    from alae_workbench.models.shipped import SHIPPED, locate_model

    path = locate_model(model)
    if path == SHIPPED:
        print(f"using the model that ships with alae; {SHIPPED / 'CARD.md'} describes it")
    elif not (isdir(path) or (path.suffix.lower() == ZIP and isfile(path)) or parse_address(path)):
        raise AlaeError(
            f"there is no checkpoint in {path}, which is not a folder: give a run of `alae train`, one of its "
            f"checkpoints/step-…, a .zip of `alae export`, hf://OWNER/NAME, or `{SHIPPED.name}` for the model that "
            "ships with alae"
        )
    return path
