"""Files of weights: downloaded once, verified, and reported with a remedy if they cannot be downloaded."""

import http.server
import threading
from hashlib import sha256

import numpy as np
import pytest

import alae_core as alae
from alae_workbench.data.memory import Arrays
from alae_workbench.data.source import DataSet
from alae_workbench.evaluation.cache import Cache
from alae_workbench.evaluation.evaluate import take_measures
from alae_workbench.evaluation.pretrained import lpips_networks
from alae_workbench.evaluation.pretrained.weights import Weights
from alae_workbench.evaluation.subject import Subject
from tests.conftest import tiny_style_config


class Server:
    """Serves bytes on 127.0.0.1 to one request."""

    def __init__(self, content):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args):
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/weights"

    def __enter__(self):
        threading.Thread(target=self.server.handle_request, daemon=True).start()
        return self.url

    def __exit__(self, *error):
        self.server.server_close()


@pytest.fixture
def direct(monkeypatch):
    """Connect to 127.0.0.1 without a proxy."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def test_a_missing_file_is_downloaded_once(tmp_path, direct):
    content, cache = b"weights" * 1000, Cache(weights=tmp_path / "new")
    with Server(content) as url:
        path = Weights("file", url, sha256(content).hexdigest()).locate(cache)
    assert path.read_bytes() == content
    assert Weights("file", "http://127.0.0.1:9", "").locate(cache) == path
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


def test_the_error_names_a_download_with_another_digest(tmp_path, direct):
    with (
        Server(b"else") as url,
        pytest.raises(alae.CheckpointError, match=r"file is damaged: its SHA-256 starts with "),
    ):
        Weights("file", url, "0" * 64).locate(Cache(weights=tmp_path))


def test_the_error_without_a_network_tells_which_file_to_save_where(backend, tmp_path, monkeypatch):
    monkeypatch.setattr(lpips_networks, "WEIGHTS", Weights("file.tar.gz", "http://127.0.0.1:9/file.tar.gz", ""))
    # The smallest style model with images that VGG16 accepts.
    levels = [{"images": 6, "fade": 0.0}] * 3
    model = alae.build(tiny_style_config(image=[16, 16, 2], growth__levels=levels))
    images = Arrays(np.zeros((8, 16, 16, 2), np.uint8))
    subject = Subject(model, DataSet(images, images), cache=Cache(weights=tmp_path / "w"))
    values, refused = take_measures(subject, ["lpips_vgg"])
    assert values == {}
    text = refused["lpips_vgg"]
    assert text.startswith("its weights are missing and cannot be downloaded (")
    assert text.endswith(
        f"save http://127.0.0.1:9/file.tar.gz as {tmp_path}/w/file.tar.gz, or give its folder by --weights, "
        "or another cache by ALAE_CACHE"
    )
