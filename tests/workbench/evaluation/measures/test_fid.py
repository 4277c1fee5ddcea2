"""FID's network and its resizing against the library torch-fidelity, 0.4.0, on PyTorch 2.13, by weights that are drawn
here; and what is compared with what under which name."""

from zlib import crc32

import numpy as np
import pytest
from sklearn.datasets import load_sample_image

import alae_core as alae
from alae_core.images import to_uint8
from alae_workbench.data.memory import Arrays
from alae_workbench.data.source import DataSet
from alae_workbench.evaluation.cache import Keep
from alae_workbench.evaluation.distances import frechet, kernel_distance, precision_recall
from alae_workbench.evaluation.measures import fid as inception
from alae_workbench.evaluation.pretrained import inception as network
from alae_workbench.evaluation.pretrained.inception import InceptionV3, clean, layers, legacy
from alae_workbench.evaluation.pretrained.weights import Weights
from alae_workbench.evaluation.registry import MEASURES, UnmeasurableError
from alae_workbench.evaluation.spaces import Random64
from alae_workbench.models.sampling import sample
from tests.conftest import tiny_config
from tests.tolerances import PRETRAINED, STYLE

#: by torch_fidelity.calculate_metrics of two folders of `pieces`: FID, and KID of one subset, which is all of them
FID, KID = 17309.76211039111, 744402.25
#: the four largest features of the first piece of china.jpg, by torch-fidelity's FeatureExtractorInceptionV3, which for
#: "clean" was given what clean-fid 0.1.35 resized
LARGEST = {
    "legacy": {1684: 66.7447, 296: 47.5981, 1003: 45.1232, 1936: 36.8506},
    "clean": {1684: 66.7609, 296: 47.6181, 1003: 45.1458, 1936: 36.8472},
}
PIXELS = np.random.default_rng(0).integers(0, 256, (40, 4, 3, 2), np.uint8)


def pieces(photo):
    image = load_sample_image(photo)
    found = [image[i : i + 48, j : j + 64] for i in range(0, 384, 96) for j in range(0, 512, 128)]
    return np.stack(found[:6])


def drawn(name, shape):
    random = np.random.Generator(np.random.Philox(crc32(name.encode())))
    if name.endswith("conv.weight"):
        return (random.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))).astype(np.float32)
    if name.endswith(("running_var", "bn.weight")):
        return random.uniform(0.5, 1.5, shape).astype(np.float32)
    return (random.standard_normal(shape) * 0.1).astype(np.float32)


def shapes():
    """(out, in, k, k) of every convolution, from what table 1 of Szegedy et al. says of widths and windows."""
    found, widths = {}, {"1x1": (1, 1), "1x7": (1, 7), "7x1": (7, 1), "1x3": (1, 3), "3x1": (3, 1), "3x3": (3, 3)}
    stem = {"1a": (32, 3), "2a": (32, 32), "2b": (64, 32), "3b": (80, 64), "4a": (192, 80)}
    for name in layers()[:5]:
        _, at, window = name.split("_")
        found[name] = (*stem[at], *widths[window])

    def block(name, into, pool=0, **branches):
        for branch, (window, out, of) in branches.items():
            k = (5, 5) if window == "5x5" else widths[window]
            found[f"{name}/{branch}"] = (out, of or into, *k)
        if pool:
            found[f"{name}/branch_pool"] = (pool, into, 1, 1)

    for name, into, pool in (("b", 192, 32), ("c", 256, 64), ("d", 288, 64)):
        fives = {"branch5x5_1": ("1x1", 48, 0), "branch5x5_2": ("5x5", 64, 48)}
        double = {
            f"branch3x3dbl_{i}": each for i, each in enumerate([("1x1", 64, 0), ("3x3", 96, 64), ("3x3", 96, 96)], 1)
        }
        block(f"Mixed_5{name}", into, pool, branch1x1=("1x1", 64, 0), **fives, **double)
    double = {f"branch3x3dbl_{i}": each for i, each in enumerate([("1x1", 64, 0), ("3x3", 96, 64), ("3x3", 96, 96)], 1)}
    block("Mixed_6a", 288, branch3x3=("3x3", 384, 0), **double)
    for name, c in (("b", 128), ("c", 160), ("d", 160), ("e", 192)):
        sevens = {"branch7x7_1": ("1x1", c, 0), "branch7x7_2": ("1x7", c, c), "branch7x7_3": ("7x1", 192, c)}
        rows = [("1x1", c, 0), ("7x1", c, c), ("1x7", c, c), ("7x1", c, c), ("1x7", 192, c)]
        double = {f"branch7x7dbl_{i}": each for i, each in enumerate(rows, 1)}
        block(f"Mixed_6{name}", 768, 192, branch1x1=("1x1", 192, 0), **sevens, **double)
    sevens = [("1x1", 192, 0), ("1x7", 192, 192), ("7x1", 192, 192), ("3x3", 192, 192)]
    threes = {"branch3x3_1": ("1x1", 192, 0), "branch3x3_2": ("3x3", 320, 192)}
    block("Mixed_7a", 768, **threes, **{f"branch7x7x3_{i}": each for i, each in enumerate(sevens, 1)})
    for name, into in (("b", 1280), ("c", 2048)):
        threes = {"branch3x3_1": ("1x1", 384, 0), "branch3x3_2a": ("1x3", 384, 384), "branch3x3_2b": ("3x1", 384, 384)}
        rows = {"1": ("1x1", 448, 0), "2": ("3x3", 384, 448), "3a": ("1x3", 384, 384), "3b": ("3x1", 384, 384)}
        double = {f"branch3x3dbl_{i}": each for i, each in rows.items()}
        block(f"Mixed_7{name}", into, 192, branch1x1=("1x1", 320, 0), **threes, **double)
    return found


@pytest.fixture(scope="module")
def weights(backend, tmp_path_factory):
    """A folder with a file of weights, and what a space must believe to read it."""
    torch = pytest.importorskip("torch")
    state = {}
    for name, shape in shapes().items():
        of = name.replace("/", ".")
        state[f"{of}.conv.weight"] = shape
        state |= {f"{of}.bn.{each}": shape[:1] for each in ("weight", "bias", "running_mean", "running_var")}
    path = tmp_path_factory.mktemp("weights") / "drawn.pth"
    torch.save({name: torch.from_numpy(drawn(name, shape)) for name, shape in state.items()}, path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "WEIGHTS", Weights(path.name, "http://127.0.0.1:9", ""))
        patch.setattr(network, "_TOGETHER", 6)
        yield path.parent


@pytest.fixture(scope="module")
def china(weights):
    return InceptionV3("legacy").opened(Keep(folder=weights))(pieces("china.jpg"))


def test_every_layer_has_a_kernel(backend):
    assert set(layers()) == set(shapes())
    assert len(layers()) == 94


@pytest.mark.parametrize("resize", ["legacy", "clean"])
def test_features_are_those_of_the_library(weights, china, resize):
    """Of a batch that is full, and of one that is not."""
    found = china if resize == "legacy" else InceptionV3(resize).opened(Keep(folder=weights))(pieces("china.jpg")[:1])
    assert found.shape[1:] == (2048,)
    assert list(np.argsort(-found[0])[:4]) == list(LARGEST[resize])
    np.testing.assert_allclose(found[0, list(LARGEST[resize])], list(LARGEST[resize].values()), **PRETRAINED)


def test_distances_are_those_of_the_library_on_the_same_images(weights, china):
    flower = InceptionV3("legacy").opened(Keep(folder=weights))(pieces("flower.jpg"))
    np.testing.assert_allclose(frechet(china, flower), FID, **PRETRAINED)
    np.testing.assert_allclose(kernel_distance(china, flower), KID, **PRETRAINED)


def test_tensorflow_1_read_pixels_from_the_corner():
    """Twice as many pixels: each, and the mean with its right neighbour; the last has none. Fewer: every other one."""
    row = np.array([0, 10, 40, 200], np.uint8)
    found = legacy(np.broadcast_to(row[None, None, :, None], (1, 4, 4, 3)), 8)
    np.testing.assert_allclose(found[0, :, :, 1], np.broadcast_to([0, 5, 10, 25, 40, 120, 200, 200], (8, 8)))
    np.testing.assert_allclose(legacy(np.broadcast_to(row[None, :, None, None], (1, 4, 4, 3)), 2)[0, :, 0, 0], [0, 40])


def test_the_clean_resize_smooths_first_and_does_not_round():
    board = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)[None, ..., None].repeat(3, 3)
    np.testing.assert_allclose(clean(board, 16), 127.5, atol=2)
    assert legacy(board, 16).min() == legacy(board, 16).max() == 0
    found = clean(board[:, :48], 299)
    assert found.min() >= 0
    assert found.max() <= 255
    assert (found != np.rint(found)).any()


# ---- what is compared ------------------------------------------------------------------------------------------------


@pytest.fixture
def model(backend):
    return alae.build(tiny_config(seed=1))


def test_names_hold_what_they_promise(model, monkeypatch):
    """With the promise made small, and in another space: as many samples, and all training images up to as many."""
    monkeypatch.setattr(inception, "COUNT", 50)
    data, space = DataSet(Arrays(PIXELS), Arrays(PIXELS[:7].copy())), Random64()
    features = space.opened(Keep())
    real, other = features(PIXELS), features(to_uint8(sample(model, 50)))
    found = inception.compared(space, lambda *pair: {"fid": frechet(*pair)}, model, data)
    np.testing.assert_allclose(found["fid"], frechet(real, other), **STYLE)
    both = inception.compared(space, lambda *pair: {"both": precision_recall(*pair)}, model, data, most=60)
    assert both["both"] == precision_recall(real, other)
    with pytest.raises(
        UnmeasurableError, match=r"by its name it is of 50 samples, not of 49: omit --count, or ask for "
    ):
        inception.compared(space, dict, model, data, most=49)


def test_every_protocol_has_a_name_of_its_own():
    names = {name for name, each in MEASURES.items() if each.group == "inception" and "_inception_" not in name}
    plain = {f"{name}50k_{resize}" for name in ("fid", "kid", "precision", "recall") for resize in ("legacy", "clean")}
    assert names == plain | {"rfid_legacy", "rfid_clean"}
    assert all(MEASURES[name].when == "named" for name in names)
