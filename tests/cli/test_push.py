"""`alae push`, and models as hf://OWNER/NAME, on a server that speaks the Hub's protocol."""

import os
import subprocess
import sys

import pytest
import yaml

from tests.cli.conftest import BACKEND
from tests.helpers.hub import serve_hub


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A server for processes that a test starts."""
    pytest.importorskip("huggingface_hub")
    with serve_hub() as hub:
        for name, value in {
            "HF_ENDPOINT": hub.address,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_TOKEN": "hf_test",
            "HF_HOME": str(tmp_path / "hf"),
            "ALAE_CACHE": str(tmp_path / "cache"),
        }.items():
            monkeypatch.setenv(name, value)
        yield hub


def run(directory, *words, **environment):
    """Run `alae` in a process of its own, because the Hub's library reads its environment once."""
    command = [sys.executable, "-m", "alae_cli", *words, "--backend", BACKEND]
    done = subprocess.run(
        command, cwd=directory, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
@pytest.mark.framework
def test_a_model_is_uploaded_and_opened_without_a_network_afterwards(hub, tmp_path):
    code, out, err = run(tmp_path, "push", "shipped", "me/avatars", "--license", "cc-by-4.0", "--private")
    assert (code, out) == (0, f"{hub.address}/me/avatars: open it as hf://me/avatars\n"), err
    files = hub.models["me/avatars"]
    assert {"CARD.md", "README.md", "config.yaml", "examples.npz", "samples.png"} < files.keys()
    endings = {name.rpartition(".")[2] for name in files}
    assert endings == {"gitattributes", "md", "npy", "json", "safetensors", "yaml", "npz", "png"}
    assert hub.private == {"me/avatars"}
    head, _, page = files["README.md"].decode().removeprefix("---\n").partition("---\n")
    assert yaml.safe_load(head)["license"] == "cc-by-4.0"
    assert 'bench.load("hf://me/avatars")' in page
    assert "| reconstruction_error |" in page
    assert "Personas by Draftbit" in page

    code, _, err = run(tmp_path, "generate", "hf://me/avatars", "--out", "first.npy")
    assert code == 0, err
    assert run(tmp_path, "generate", "shipped", "--out", "shipped.npy")[0] == 0
    assert (tmp_path / "first.npy").read_bytes() == (tmp_path / "shipped.npy").read_bytes()
    count = len(hub.requests)
    assert run(tmp_path, "generate", "hf://me/avatars", "--out", "again.npy", HF_HUB_OFFLINE="1")[0] == 0
    assert (tmp_path / "again.npy").read_bytes() == (tmp_path / "first.npy").read_bytes()
    assert len(hub.requests) == count

    code, _, err = run(tmp_path, "generate", "hf://me/none", "--out", "none.npy")
    assert (code, err) == (2, "alae: hf://me/none is not on the Hub, or needs `hf auth login`\n")
    code, _, err = run(tmp_path, "directions", "fit", "hf://me/avatars", "--method", "principal")
    assert code == 2
    assert "cannot be saved in hf://me/avatars" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["shipped", "faces"], "hf://faces is not an address of the form hf://OWNER/NAME"),
        (["shipped", "me/faces@main"], "NAME is me/faces@main, but must be OWNER/NAME"),
        (["shipped", "me/faces", "--credit", "me"], "--credit is for runs, but the exported one has a card already"),
        (["run", "me/faces"], "--credit is missing: whose images?"),
    ],
)
def test_requests_that_cannot_be_right_are_refused(run_alae, tmp_path, words, message):
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    code, _, err = run_alae("push", *words, "--backend", BACKEND)
    assert code == 2
    assert message in err
