"""`alae push`: a model on the Hugging Face Hub."""

from importlib.util import find_spec
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory

import yaml

from alae_core import AlaeError, ArgumentError
from alae_core._support.text import one_line
from alae_core.run_source import INSTALL, Address, parse_address
from alae_workbench.models.opening import OpenedModel
from alae_workbench.runs.export import CARD, export_run
from alae_workbench.storage.directory import Run
from alae_workbench.tasks.figure import samples
from alae_workbench.tasks.load import Model, load, locate

#: the picture of samples on the model's page
PICTURE = "samples.png"


def push(
    model: Model,
    name: str,
    credit: str | None = None,
    *,
    license: str | None = None,
    private: bool = False,
    backend: str | None = None,
) -> str:
    """Upload a model to the Hugging Face Hub: what `alae export` writes, with samples and a card as its page.

    Needs a token of the Hub: `hf auth login`, or HF_TOKEN. The model is created if it is not there, and its earlier
    checkpoints are replaced.

    Args:
        model: a run, or one that `alae export` wrote, which is uploaded as it is.
        name: OWNER/NAME.
        credit: source and licence of the training images, for the card; not for an exported run, which has one.
        license: the licence of the model, as the Hub abbreviates it, such as "cc-by-4.0".
        private: create the model for its owner alone.
        backend: as for `alae_workbench.load`.

    Returns:
        The address of its page.

    Raises:
        ArgumentError: `name` is not of the form OWNER/NAME; `credit` is missing, or given for an exported run.
        AlaeError: as `export_run`; the extra [hub] is not installed, or the Hub refuses.
    """
    address = _parse_name(name)
    run = Run.find(locate(model))
    exported = (run.path / CARD).exists()
    if exported == (credit is not None):
        problem = "is for runs, but the exported one has a card already" if exported else "is missing: whose images?"
        raise ArgumentError("credit", problem)
    if find_spec("huggingface_hub") is None:
        raise AlaeError(f"{address} needs the library of the Hub: {INSTALL}")
    opened = load(model, backend=backend)
    with TemporaryDirectory() as directory:
        folder = Path(directory, "model")
        if exported:
            copytree(run.path, folder)
        else:
            export_run(opened, folder, credit or "")
        samples(opened, 24).save(folder / PICTURE)
        page = _make_page(address, (folder / CARD).read_text("utf-8"), license)
        (folder / "README.md").write_text(page, "utf-8")
        return _upload(address, folder, opened, private)


def _parse_name(name: str) -> Address:
    address = parse_address(Path(f"hf://{name}"))
    if address is None or address.revision:
        raise ArgumentError("name", f"is {name}, but must be OWNER/NAME")
    return address


def _make_page(address: Address, card: str, license: str | None) -> str:
    """Return the model's page: metadata for the Hub, then the card, samples and how to load it."""
    head = {"library_name": "alae", "pipeline_tag": "unconditional-image-generation", "tags": ["alae", "autoencoder"]}
    head |= {"license": license} if license else {}
    code = f"""import alae_workbench as bench

model = bench.load("{address}")
bench.figure.samples(model, 24).save("samples.png")"""
    return (
        f"---\n{yaml.safe_dump(head, sort_keys=False)}---\n\n{card}\n## Samples\n\n![samples]({PICTURE})\n\n"
        f"## Use it\n\nInstall `alae[hub]` and JAX, PyTorch or TensorFlow.\n\n```python\n{code}\n```\n"
    )


def _upload(address: Address, folder: Path, opened: OpenedModel, private: bool) -> str:
    from huggingface_hub import HfApi, errors

    api = HfApi(library_name="alae")
    try:
        page = api.create_repo(address.name, private=private, exist_ok=True)
        api.upload_folder(
            repo_id=address.name,
            folder_path=folder,
            delete_patterns="checkpoints/*",
            commit_message=f"Step {opened.checkpoint.step:,}, exported by alae",
        )
    except (errors.HTTPError, errors.HFValidationError, OSError) as error:
        raise AlaeError(f"{address} cannot be uploaded: {one_line(str(error))}") from error
    return str(page)
