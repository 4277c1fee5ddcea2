"""Operations on feature maps against NumPy, in both orders of axes."""

from contextlib import nullcontext
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import ops

from alae_core.networks import features
from alae_core.networks.features import Conv
from alae_core.networks.specs import Section, convolution_layout, he_layout
from tests.tolerances import FLOAT32

pytestmark = pytest.mark.each_backend

MAPS = np.random.default_rng(0).normal(size=(2, 6, 4, 3)).astype(np.float32)
AXES = ("channels_last", "channels_first")


@pytest.fixture(params=AXES)
def order(request, backend):
    """The order of axes set in Keras; TensorFlow on a CPU supports only one of them for convolutions."""
    if backend.name == "tensorflow" and request.param == "channels_first":
        pytest.skip("TensorFlow has no such convolutions on a CPU")
    before = keras.config.image_data_format()
    keras.config.set_image_data_format(request.param)
    yield request.param
    keras.config.set_image_data_format(before)


@pytest.fixture(params=["by shifts", "by matrices", "by channel"])
def filters(request, monkeypatch):
    """Each implementation of filters; backends choose one by size and speed."""
    monkeypatch.setattr(features, "_SMALL", 0 if request.param == "by shifts" else 64)
    monkeypatch.setattr(features, "_convolves_by_channel", lambda: request.param == "by channel")


def on_maps(function, maps=MAPS):
    """Apply `function` to feature maps, from and to NumPy arrays in NHWC."""
    found = features.to_nhwc(function(features.from_nhwc(ops.convert_to_tensor(maps))))
    return ops.convert_to_numpy(ops.stop_gradient(found))


def conv(inputs, outputs, size, *, gain=2**0.5, bias=False, **choices):
    """Build a convolution."""
    layer = Conv(Section("conv", convolution_layout(inputs, outputs, size, gain=gain, bias=bias), seed=1), **choices)
    layer.build()
    return layer


def test_upsample_repeats_each_pixel(order):
    np.testing.assert_array_equal(on_maps(features.upsample), MAPS.repeat(2, axis=1).repeat(2, axis=2))


def test_downsample_is_the_mean_of_four(order):
    expected = MAPS.astype(np.float64).reshape(2, 3, 2, 2, 2, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(on_maps(features.downsample), expected, **FLOAT32)
    np.testing.assert_allclose(on_maps(lambda maps: features.downsample(features.upsample(maps))), MAPS, **FLOAT32)


def test_upsample_bilinear_interpolates_between_pixel_centres(order):
    """New pixel i lies at (i + ½) / 2 − ½ of the old pixels; beyond the border the outermost pixels repeat."""
    expected = MAPS.astype(np.float64)
    for axis in (1, 2):
        size = expected.shape[axis]
        places = (np.arange(2 * size) + 0.5) / 2 - 0.5
        expected = np.apply_along_axis(lambda line, p=places: np.interp(p, np.arange(len(line)), line), axis, expected)
    np.testing.assert_allclose(on_maps(features.upsample_bilinear), expected, **FLOAT32)
    constant = np.full_like(MAPS, 0.3)
    np.testing.assert_allclose(on_maps(features.upsample_bilinear, constant), 0.3, **FLOAT32)


def test_flatten_keeps_the_order_of_nhwc(order):
    found = features.flatten(features.from_nhwc(ops.convert_to_tensor(MAPS)))
    np.testing.assert_array_equal(ops.convert_to_numpy(found), MAPS.reshape(2, -1))


@pytest.mark.parametrize("patches", [False, True], ids=["by convolutions", "by patches"])
def test_a_strided_convolution_matches_its_definition(order, monkeypatch, patches):
    """A 4×4 kernel at every second pixel, padded by one pixel of zeros."""
    monkeypatch.setattr(features, "_is_jax_on_cpu", lambda: patches)
    layer = Conv(Section("conv", he_layout((4, 4, 3), 5, 1.0), seed=1), resample="stride")
    layer.build()
    layer.bias.assign(np.arange(5, dtype=np.float32))
    kernel = ops.convert_to_numpy(layer.kernel.value).astype(np.float64)
    padded = np.pad(MAPS.astype(np.float64), [(0, 0), (1, 1), (1, 1), (0, 0)])
    expected = np.empty((2, 3, 2, 5))
    for i in range(3):
        for j in range(2):
            expected[:, i, j] = np.tensordot(padded[:, 2 * i : 2 * i + 4, 2 * j : 2 * j + 4], kernel, 3)
    np.testing.assert_allclose(on_maps(layer), expected + np.arange(5), **FLOAT32)


def test_blur_is_a_convolution_with_zeros_outside(order, filters):
    padded = np.pad(MAPS.astype(np.float64), [(0, 0), (1, 1), (1, 1), (0, 0)])
    weights = np.outer([1, 2, 1], [1, 2, 1]) / 16
    expected = sum(weights[i, j] * padded[:, i : i + 6, j : j + 4] for i in range(3) for j in range(3))
    np.testing.assert_allclose(on_maps(features.blur), expected, **FLOAT32)


def test_instance_norm_and_statistics_are_over_pixels(order):
    maps = 3 + 2 * MAPS
    normalized, mean, variance = features.instance_norm(features.from_nhwc(ops.convert_to_tensor(maps)), 0.5)
    exact = maps.astype(np.float64)
    expected_mean, expected_variance = exact.mean(axis=(1, 2)), exact.var(axis=(1, 2))
    found = ops.convert_to_numpy(features.statistics(mean, variance))
    np.testing.assert_allclose(found, np.hstack([expected_mean, np.sqrt(expected_variance)]), **FLOAT32)
    expected = (exact - expected_mean[:, None, None]) / np.sqrt(expected_variance[:, None, None] + 0.5)
    np.testing.assert_allclose(ops.convert_to_numpy(features.to_nhwc(normalized)), expected, **FLOAT32)


def test_moments_of_large_maps_are_accurate(backend):
    maps = np.abs(np.random.default_rng(1).normal(size=(1, 512, 512, 2))).astype(np.float32)
    _, mean, variance = features.instance_norm(ops.convert_to_tensor(maps), 0.0)
    for found, expected in ((mean, maps.mean((1, 2), np.float64)), (variance, maps.var((1, 2), np.float64))):
        np.testing.assert_allclose(ops.convert_to_numpy(found)[:, 0, 0], expected, **FLOAT32)


def test_float64_stays_float64(order, backend):
    if backend.name == "jax":
        pytest.skip("JAX was opened for float32; the conformance suite opens it for float64")
    layers = [conv(3, 5, 3, resample=each, dtype="float64") for each in (None, "up", "down")]
    layers.append(conv(3, 5, 4, resample="stride", dtype="float64"))
    for function in (features.upsample, features.upsample_bilinear, features.downsample, features.blur, *layers):
        with features.without_gradients():
            assert on_maps(function, MAPS.astype(np.float64)).dtype == np.float64, function
        assert on_maps(function, MAPS.astype(np.float64)).dtype == np.float64, function


def test_vectors_multiply_their_channels(order):
    shared, own = np.arange(3, dtype=np.float32), np.arange(6, dtype=np.float32).reshape(2, 3)
    for vector, expected in ((shared, MAPS * shared), (own, MAPS * own[:, None, None])):
        tensor = ops.convert_to_tensor(vector)
        np.testing.assert_array_equal(on_maps(lambda maps, t=tensor: maps * features.per_channel(t)), expected)


def convolve(maps, kernel):
    """Convolve with a 3×3 kernel in float64, keeping the size."""
    padded = np.pad(maps.astype(np.float64), [(0, 0), (1, 1), (1, 1), (0, 0)])
    height, width = maps.shape[1:3]
    return sum(padded[:, i : i + height, j : j + width] @ kernel[i, j] for i in range(3) for j in range(3))


@pytest.mark.parametrize("no_gradients", [False, True], ids=["with gradients", "without"])
@pytest.mark.parametrize("patches", [False, True], ids=["by convolutions", "by patches"])
@pytest.mark.parametrize("resample", [None, "up", "down"])
def test_convolutions_with_resampling_match_their_definition(
    order, filters, monkeypatch, resample, patches, no_gradients
):
    monkeypatch.setattr(features, "_is_jax_on_cpu", lambda: patches)
    layer = conv(3, 5, 3, bias=True, resample=resample)
    layer.bias.assign(np.arange(5, dtype=np.float32))
    kernel = ops.convert_to_numpy(layer.kernel.value).astype(np.float64) * np.sqrt(2 / 27)
    if resample == "up":
        expected = convolve(MAPS.repeat(2, axis=1).repeat(2, axis=2), kernel)
    elif resample == "down":
        expected = convolve(MAPS, kernel).reshape(2, 3, 2, 2, 2, 5).mean(axis=(2, 4))
    else:
        expected = convolve(MAPS, kernel)
    with features.without_gradients() if no_gradients else nullcontext():
        found = on_maps(layer)
    np.testing.assert_allclose(found, expected + np.arange(5), **FLOAT32)


def test_kernels_start_standard_normal_with_a_scale():
    layer = conv(32, 64, 3, gain=0.03)
    kernel = ops.convert_to_numpy(layer.kernel.value)
    assert abs(kernel.std() - 1) < 5 / np.sqrt(2 * kernel.size)
    assert layer.section.layout.keys() == {"kernel"}
    assert layer.section.layout["kernel"].scale == pytest.approx(0.03 / np.sqrt(9 * 32))


def test_only_the_convolution_uses_lower_precision():
    """A kernel of ones gives small integers, exact in bfloat16; a bias of 1 + 2⁻¹² would be rounded."""
    layer = conv(1, 1, 1, gain=1.0, bias=True, dtype="mixed_bfloat16")
    layer.kernel.assign(np.ones((1, 1, 1, 1), np.float32))
    layer.bias.assign(np.array([1 + 2**-12], np.float32))
    maps = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    found = on_maps(layer, maps)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, maps + np.float32(1 + 2**-12))
    assert not np.array_equal(on_maps(layer, maps + 1 / 1000), maps + 1 / 1000), "the convolution itself is rounded"


@pytest.mark.parametrize(("device", "expected"), [("cpu:0", True), ("cpu", True), ("cuda:0", False), ("gpu:0", False)])
def test_convolutions_are_chosen_by_the_selected_device(backend, monkeypatch, device, expected):
    """The first device does not matter: on a machine with a GPU, the CPU may have been selected."""
    monkeypatch.setattr(features, "framework_in_use", lambda: SimpleNamespace(device=device))
    assert features._is_jax_on_cpu() == (expected and keras.backend.backend() == "jax")
