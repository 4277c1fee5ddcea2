"""Python code and commands in the documents run, the paths they mention exist, and every command is described."""

import os
import re
import shlex
import shutil
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image

import alae_core as alae
from tests.conftest import REPOSITORY, call_alae
from tests.helpers.commands import COMMAND_GROUP, parse_command
from tests.helpers.official import SIZES, checkpoint_of, config_with, save
from tests.helpers.plugins import forget_plugins, write_plugins
from tests.helpers.python import run_python
from tests.helpers.requirements import FACES

README = REPOSITORY / "README.md"
DOCUMENTS = [README, REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
BACKEND = os.environ.get("KERAS_BACKEND", "jax")

#: commands that do not run here, by pattern, and why
NOT_RUN = {
    r"(pip|python3 -m venv|source) ": "installs packages",
    r"rm ": "removes files of the repository",
    r"(docker|kubectl|sbatch) ": "needs a cluster; tests/examples/test_cluster.py checks the files",
    r"(torchrun|srun) |TF_CONFIG=|alae train .*--devices\b": "tests/cli/test_processes.py trains in several processes",
    r"python -m benchmarks\.": "tests/test_benchmarks.py runs it",
    r"alae train .*--resume auto\b": "tests/workbench/runs/test_resume_auto.py runs it on a small model",
    r"make ": "tests/test_makefile.py runs the targets",
    r"alae conform ": "tests/conformance/test_commands.py runs these options on smaller experiments",
    r"python -m alae_conformance\.sensitivity": "tests/conformance/sensitivity/test_constants.py measures constants",
    r"pytest --pyargs alae_conformance": "tests/conformance/test_commands.py runs it on smaller experiments",
    r"alae ablate reciprocity --base digits-mlp\b": "tests/test_makefile.py runs the same ablation",
    r"python -m alae_workbench\.exchange\.parity": "tests/backends/test_parity.py runs it",
    r"alae export .*--format\b": "tests/workbench/exports/test_export.py exports in a process of its own",
    r"alae demo\b": "tests/cli/test_demo.py and tests/workbench/exports/test_page.py run it",
    r"alae .*--(data|preset) mnist\b": "downloads MNIST",
    r"alae .*\b[A-Z]{3,}\b": "its arguments are placeholders",
    r"(npm|node) ": "tests/examples/test_avatars.py renders avatars where Node.js and its packages are installed",
    r"alae train --(from shipped|config tuned\.yaml)\b": "compiles large networks; tests/workbench/runs/test_origin.py",
    r"alae train --preset avatars-conv\b": "compiles large networks; tests/examples/test_avatars.py trains the preset",
    r"alae .*--backend eager\b": "tests/conformance/test_example.py runs the example backend",
}
#: options that shorten a command, by its first words; they are appended, so they override the document's options
SMALL = {
    "train": ["--steps", "2"],
    "ablate": ["--steps", "2"],
    "invert": ["--steps", "2"],
    "data prepare": ["--workers", "1"],
}
#: folders of `scene` that commands create themselves
CREATES = {"import-official": "runs/ffhq", "data prepare": "prepared", "train": "runs/squares"}


def blocks(document, language):
    return re.findall(rf"^```{language}\n(.*?)^```", document.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def commands_in(document):
    lines = [line.partition(" #")[0].strip() for block in blocks(document, "sh") for line in block.splitlines()]
    return list(dict.fromkeys(line for line in lines if line and not line.startswith("#")))


COMMANDS = [
    pytest.param(line, id=f"{document.name}: {line}") for document in DOCUMENTS for line in commands_in(document)
]


def reason_not_to_run(line):
    return next((reason for pattern, reason in NOT_RUN.items() if re.match(pattern, line)), None)


# ---- Python ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.framework
def test_python_of_the_readme_runs(tmp_path):
    run_python(["-c", "\n".join(blocks(README, "python"))], tmp_path)


@pytest.mark.slow
@pytest.mark.framework
def test_python_of_the_guide_runs(tmp_path):
    out = run_python(["-c", "\n".join(blocks(REPOSITORY / "docs" / "python.md", "python"))], tmp_path)
    assert "'reciprocity': " in out


@pytest.mark.slow
@pytest.mark.framework
def test_python_of_the_page_on_latents_runs(tmp_path):
    run_python(["-c", "\n".join(blocks(REPOSITORY / "docs" / "latents.md", "python"))], tmp_path)


# ---- commands --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", [command for command in COMMANDS if command.values[0].startswith("alae ")])
def test_commands_parse(line):
    parse_command(line)


def test_every_command_is_documented():
    text = "\n".join(document.read_text("utf-8") for document in DOCUMENTS)
    missing = [name for name in COMMAND_GROUP.commands if not re.search(rf"\balae {name}\b", text)]
    assert missing == []


def test_the_readme_names_every_backend():
    assert all(backend in README.read_text("utf-8").lower() for backend in alae.installed_backends())


def test_every_reason_not_to_run_a_command_is_used():
    lines = [command.values[0] for command in COMMANDS]
    unused = [pattern for pattern in NOT_RUN if not any(re.match(pattern, line) for line in lines)]
    assert unused == []


def make_avatars(folder):
    """Make small stand-ins for the avatars of docs/avatars.md and for a model of them, with directions."""
    shutil.copytree(folder / "runs" / "digits-conv-jax", folder / "runs" / "avatars-conv-torch")
    (folder / "unseen").mkdir()
    titles = ["glasses", "hat", "long-hair", "facial-hair", "smiling", "dark-skin"]
    rows = [["file", *titles]]
    for number, path in enumerate(sorted((folder / "photos").glob("*.png"))):
        name = f"{number:05d}.png"
        shutil.copy(path, folder / "unseen" / name)
        rows.append([name, *(str(number >> bit & 1) for bit in range(len(titles)))])
    (folder / "unseen" / "attributes.csv").write_text("".join(f"{','.join(row)}\n" for row in rows), "utf-8")
    fit = ["directions", "fit", "runs/avatars-conv-torch", "--data", "unseen", "--method", "shift"]
    code, _, err = call_alae(folder, *fit)
    assert code == 0, err


@pytest.fixture(scope="module")
def scene(backend, tmp_path_factory):
    """A folder that holds every run, picture and file that the documents' commands name, as small as possible."""
    folder = tmp_path_factory.mktemp("scene")
    pictures = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), np.uint8)
    (folder / "photos").mkdir()
    for number, pixels in enumerate(pictures):
        Image.fromarray(pixels).save(folder / "photos" / f"{number}.png")
    Image.fromarray(pictures[0]).save(folder / "photo.png")
    Image.fromarray(pictures[0]).save(folder / "photo.jpg")
    Image.fromarray(pictures[0, ..., 0]).save(folder / "digit.png")
    np.save(folder / "direction_0.npy", np.ones(config_with(*SIZES["usual"]).networks.w, np.float32))
    small = [word for name in "FGED" for word in ("--set", f"networks.{name}.hidden=[8]")]
    for words in (
        ["train", "--preset", "digits-mlp", "--steps", "4", *small, "--out", "runs/digits-conv-jax"],
        ["directions", "fit", "runs/digits-conv-jax"],
        ["directions", "fit", "runs/digits-conv-jax", "--method", "principal"],
        ["evaluate", "runs/digits-conv-jax", "--measures", "psnr"],
        ["export", "runs/digits-conv-jax", "model.zip", "--credit", "digits"],
        ["directions", "fit", "runs/digits-conv-jax", "--method", "shift"],
        ["data", "prepare", "photos", "prepared", "--workers", "1"],
        ["generate", "runs/digits-conv-jax", "--count", "4", "--out", "chosen", "--save-w"],
    ):
        code, _, err = call_alae(folder, *words)
        assert code == 0, err
    write_plugins(folder)
    for copy in ("digits-conv-torch", "squares"):
        shutil.copytree(folder / "runs" / "digits-conv-jax", folder / "runs" / copy)
    make_avatars(folder)
    save(checkpoint_of(config_with(*SIZES["usual"]))[0], folder / "ffhq.pth")
    code, _, err = call_alae(folder, "import-official", "ffhq.pth", "runs/ffhq")
    assert code == 0, err
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("line", COMMANDS)
def test_commands_run(line, scene, tmp_path, monkeypatch):
    if reason := reason_not_to_run(line):
        pytest.skip(reason)
    assert line.startswith("alae "), "not an alae command: say in NOT_RUN why it does not run here"
    forget_plugins(monkeypatch, tmp_path / "cache" if "--plugin" in line else None)
    shutil.copytree(scene, tmp_path, dirs_exist_ok=True)
    name = parse_command(line)
    if name in CREATES:
        shutil.rmtree(tmp_path / CREATES[name])
    if "align" in line:
        if not FACES.exists() or find_spec("mtcnn") is None:
            pytest.skip("needs test data and the extra [faces]")
        shutil.rmtree(tmp_path / "photos")
        (tmp_path / "photos").mkdir()
        for picture in ("photos/0.png", "photo.jpg"):
            Image.open(min(FACES.glob("*.png"))).convert("RGB").save(tmp_path / picture)
    code, out, err = call_alae(tmp_path, *shlex.split(line)[1:], *SMALL.get(name, []))
    assert code == 0, f"{out}\n{err}"


# ---- paths -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_paths_that_documents_name_exist(document):
    text = document.read_text("utf-8")
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", text)
    assert [path for path in links if not (document.parent / path).exists()] == []
    folders = "alae_core|backends|benchmarks|conformance|workbench|cli|tests|docs|examples"
    paths = re.findall(rf"`((?:{folders})/[\w/.]+\.\w+)`", text)
    assert [path for path in paths if not (REPOSITORY / path).exists()] == []
