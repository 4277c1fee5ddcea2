"""Networks imported from the authors' checkpoints give the same outputs as the authors', on every backend."""

import numpy as np
import pytest
from keras import ops

import alae_core as alae
from alae_core.errors import CheckpointError
from alae_core.growth import scheduled_steps
from alae_core.networks.features import from_nhwc, to_nhwc
from alae_workbench.exchange.official import import_official
from tests.helpers.official import SIZES, checkpoint_of, config_with, save
from tests.tolerances import FLOAT32, STORED


def test_dense_layers_match_the_authors_layers(backend):
    """Each layer is y = W·x + b with the stored tensors; the logit is the last layer's output at index w."""
    config = config_with(*SIZES["z unlike w"])
    models, trained, *_ = checkpoint_of(config)
    model = alae.build(config)
    model.set_weights(trained)
    x = np.random.default_rng(1).normal(size=(4, 6)).astype(np.float32)
    state, logits = models["mapping_tl"], x.astype(np.float64)
    for i in range(3):
        logits = logits @ state[f"map_blocks.{i}.weight"].T + state[f"map_blocks.{i}.bias"]
    assert logits.shape == (4, 12)
    np.testing.assert_allclose(model.discriminate(x), logits[:, 6], **FLOAT32)


def test_transposed_kernels_match_the_authors_convolution(backend):
    """From 128×128 on, the authors store the kernel of a transposed convolution, computed here by its definition."""
    config = config_with(*SIZES["fused at 128"])
    models, trained, *_ = checkpoint_of(config)
    model = alae.build(config)
    model.set_weights(trained)
    kernel = models["generator"]["decode_block.5.conv_1.weight"].astype(np.float64)
    shifted = np.zeros((*kernel.shape[:2], 4, 4))
    for i in (0, 1):
        for j in (0, 1):
            shifted[:, :, i : i + 3, j : j + 3] += kernel
    x = np.random.default_rng(2).normal(size=(2, 5, 5, kernel.shape[0])).astype(np.float32)
    expected = np.zeros((2, 12, 12, kernel.shape[1]))
    for i, j in np.ndindex(5, 5):
        expected[:, 2 * i : 2 * i + 4, 2 * j : 2 * j + 4] += np.einsum("nc,cohw->nhwo", x[:, i, j], shifted)
    found = model.G.blocks[5].conv1(from_nhwc(ops.convert_to_tensor(x)))
    np.testing.assert_allclose(ops.convert_to_numpy(to_nhwc(found)), expected[:, 1:-1, 1:-1], **FLOAT32)


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_file_is_imported_as_a_checkpoint(tmp_path, backend, is_zip):
    config = config_with(*SIZES["usual"])
    models, trained, averaged, mean = checkpoint_of(config)
    file = save(models, tmp_path / "their.pth", is_zip)
    path = import_official(file, tmp_path / "run")
    found = alae.load_checkpoint(tmp_path / "run")
    assert found.path == path
    assert found.backend == "official"
    assert found.step == scheduled_steps(found.config)
    assert found.view == alae.View(1)
    assert found.run == {}, "an imported checkpoint has no run"
    for is_average, expected in ((False, trained), (True, averaged)):
        model = found.model(is_average)
        assert np.array_equal(model.mean_of_w(), mean)
        for name, array in model.weights().items():
            np.testing.assert_allclose(array, expected[name], **STORED)
    assert not any(array.any() for name, array in found.state.items() if name.startswith("adam/"))
    # Training can continue from it.
    runner = backend.runner(alae.build(found.config))
    runner.load(found.state)
    assert runner.step_number == found.step
    with pytest.raises(CheckpointError, match="exists already"):
        import_official(file, tmp_path / "run")
