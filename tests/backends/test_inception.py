"""Inception v3 and its resizing compared with torch-fidelity 0.4.0 on PyTorch 2.13, with random weights."""

from zlib import crc32

import numpy as np
import pytest
from sklearn.datasets import load_sample_image

from alae_workbench.evaluation.cache import Cache
from alae_workbench.evaluation.distances import frechet, kernel_distance
from alae_workbench.evaluation.pretrained import inception
from alae_workbench.evaluation.pretrained.inception import InceptionV3, layer_names, resize_clean, resize_legacy
from alae_workbench.evaluation.pretrained.weights import Weights
from tests.tolerances import PRETRAINED

#: FID and KID (of one subset with all images) of two folders of `pieces`, by torch_fidelity.calculate_metrics
FID, KID = 17309.76211039111, 744402.25
#: the four largest features of the first piece of china.jpg by torch-fidelity's FeatureExtractorInceptionV3; for
#: "clean", clean-fid 0.1.35 resized the piece
LARGEST = {
    "legacy": {1684: 66.7447, 296: 47.5981, 1003: 45.1232, 1936: 36.8506},
    "clean": {1684: 66.7609, 296: 47.6181, 1003: 45.1458, 1936: 36.8472},
}


def pieces(photo):
    image = load_sample_image(photo)
    crops = [image[i : i + 48, j : j + 64] for i in range(0, 384, 96) for j in range(0, 512, 128)]
    return np.stack(crops[:6])


def draw(name, shape):
    random = np.random.Generator(np.random.Philox(crc32(name.encode())))
    if name.endswith("conv.weight"):
        return (random.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))).astype(np.float32)
    if name.endswith(("running_var", "bn.weight")):
        return random.uniform(0.5, 1.5, shape).astype(np.float32)
    return (random.standard_normal(shape) * 0.1).astype(np.float32)


def shapes():
    """Return the shape (out, in, k, k) of every convolution, from table 1 of Szegedy et al."""
    result, widths = {}, {"1x1": (1, 1), "1x7": (1, 7), "7x1": (7, 1), "1x3": (1, 3), "3x1": (3, 1), "3x3": (3, 3)}
    stem = {"1a": (32, 3), "2a": (32, 32), "2b": (64, 32), "3b": (80, 64), "4a": (192, 80)}
    for name in layer_names()[:5]:
        _, at, window = name.split("_")
        result[name] = (*stem[at], *widths[window])

    def block(name, into, pool=0, **branches):
        for branch, (window, out, of) in branches.items():
            k = (5, 5) if window == "5x5" else widths[window]
            result[f"{name}/{branch}"] = (out, of or into, *k)
        if pool:
            result[f"{name}/branch_pool"] = (pool, into, 1, 1)

    for name, into, pool in (("b", 192, 32), ("c", 256, 64), ("d", 288, 64)):
        fives = {"branch5x5_1": ("1x1", 48, 0), "branch5x5_2": ("5x5", 64, 48)}
        double = {
            f"branch3x3dbl_{i}": layer for i, layer in enumerate([("1x1", 64, 0), ("3x3", 96, 64), ("3x3", 96, 96)], 1)
        }
        block(f"Mixed_5{name}", into, pool, branch1x1=("1x1", 64, 0), **fives, **double)
    double = {
        f"branch3x3dbl_{i}": layer for i, layer in enumerate([("1x1", 64, 0), ("3x3", 96, 64), ("3x3", 96, 96)], 1)
    }
    block("Mixed_6a", 288, branch3x3=("3x3", 384, 0), **double)
    for name, c in (("b", 128), ("c", 160), ("d", 160), ("e", 192)):
        sevens = {"branch7x7_1": ("1x1", c, 0), "branch7x7_2": ("1x7", c, c), "branch7x7_3": ("7x1", 192, c)}
        rows = [("1x1", c, 0), ("7x1", c, c), ("1x7", c, c), ("7x1", c, c), ("1x7", 192, c)]
        double = {f"branch7x7dbl_{i}": layer for i, layer in enumerate(rows, 1)}
        block(f"Mixed_6{name}", 768, 192, branch1x1=("1x1", 192, 0), **sevens, **double)
    sevens = [("1x1", 192, 0), ("1x7", 192, 192), ("7x1", 192, 192), ("3x3", 192, 192)]
    threes = {"branch3x3_1": ("1x1", 192, 0), "branch3x3_2": ("3x3", 320, 192)}
    block("Mixed_7a", 768, **threes, **{f"branch7x7x3_{i}": layer for i, layer in enumerate(sevens, 1)})
    for name, into in (("b", 1280), ("c", 2048)):
        threes = {"branch3x3_1": ("1x1", 384, 0), "branch3x3_2a": ("1x3", 384, 384), "branch3x3_2b": ("3x1", 384, 384)}
        rows = {"1": ("1x1", 448, 0), "2": ("3x3", 384, 448), "3a": ("1x3", 384, 384), "3b": ("3x1", 384, 384)}
        double = {f"branch3x3dbl_{i}": layer for i, layer in rows.items()}
        block(f"Mixed_7{name}", into, 192, branch1x1=("1x1", 320, 0), **threes, **double)
    return result


@pytest.fixture(scope="module")
def weights(backend, tmp_path_factory):
    """A folder with a file of random weights, which `inception` accepts."""
    torch = pytest.importorskip("torch")
    state = {}
    for name, shape in shapes().items():
        key = name.replace("/", ".")
        state[f"{key}.conv.weight"] = shape
        state |= {f"{key}.bn.{array}": shape[:1] for array in ("weight", "bias", "running_mean", "running_var")}
    path = tmp_path_factory.mktemp("weights") / "drawn.pth"
    torch.save({name: torch.from_numpy(draw(name, shape)) for name, shape in state.items()}, path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inception, "WEIGHTS", Weights(path.name, "http://127.0.0.1:9", ""))
        patch.setattr(inception, "_BATCH", 6)
        yield path.parent


@pytest.fixture(scope="module")
def china(weights):
    return InceptionV3("legacy").features(Cache(weights=weights))(pieces("china.jpg"))


def test_every_layer_has_a_kernel(backend):
    assert set(layer_names()) == set(shapes())
    assert len(layer_names()) == 94


@pytest.mark.slow
@pytest.mark.parametrize("resize", ["legacy", "clean"])
def test_features_equal_those_of_torch_fidelity(weights, china, resize):
    """For a full batch and a padded one."""
    features = (
        china if resize == "legacy" else InceptionV3(resize).features(Cache(weights=weights))(pieces("china.jpg")[:1])
    )
    assert features.shape[1:] == (2048,)
    assert list(np.argsort(-features[0])[:4]) == list(LARGEST[resize])
    np.testing.assert_allclose(features[0, list(LARGEST[resize])], list(LARGEST[resize].values()), **PRETRAINED)


@pytest.mark.slow
def test_distances_equal_those_of_torch_fidelity_on_the_same_images(weights, china):
    flower = InceptionV3("legacy").features(Cache(weights=weights))(pieces("flower.jpg"))
    np.testing.assert_allclose(frechet(china, flower), FID, **PRETRAINED)
    np.testing.assert_allclose(kernel_distance(china, flower), KID, **PRETRAINED)


def test_the_legacy_resize_aligns_pixels_to_the_corner():
    """Doubling inserts means with the right neighbour, and repeats the last pixel; halving takes every other pixel."""
    row = np.array([0, 10, 40, 200], np.uint8)
    resized = resize_legacy(np.broadcast_to(row[None, None, :, None], (1, 4, 4, 3)), 8)
    np.testing.assert_allclose(resized[0, :, :, 1], np.broadcast_to([0, 5, 10, 25, 40, 120, 200, 200], (8, 8)))
    np.testing.assert_allclose(
        resize_legacy(np.broadcast_to(row[None, :, None, None], (1, 4, 4, 3)), 2)[0, :, 0, 0], [0, 40]
    )


def test_the_clean_resize_antialiases_and_does_not_round():
    board = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)[None, ..., None].repeat(3, 3)
    np.testing.assert_allclose(resize_clean(board, 16), 127.5, atol=2)
    assert resize_legacy(board, 16).min() == resize_legacy(board, 16).max() == 0
    resized = resize_clean(board[:, :48], 299)
    assert resized.min() >= 0
    assert resized.max() <= 255
    assert (resized != np.rint(resized)).any()
