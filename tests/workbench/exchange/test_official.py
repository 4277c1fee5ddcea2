"""Names, shapes and scales of the authors' checkpoints, tested on tensors made from our weights."""

import numpy as np
import pytest

import alae_core as alae
from alae_core.errors import CheckpointError
from alae_workbench.exchange.official import config_of, convert, import_official, official_tensors
from tests.helpers.official import SIZES, checkpoint_of, config_with, save
from tests.tolerances import FLOAT32, STORED


@pytest.fixture(scope="module", params=SIZES, ids=lambda name: name.replace(" ", "-"))
def sizes(request):
    return SIZES[request.param]


def test_every_weight_corresponds_to_one_authors_tensor_with_its_shape_and_scale(sizes):
    config = config_with(*sizes)
    model = alae.build(config)
    found = {ours: theirs for network in "FGED" for ours, theirs in official_tensors(network, config).items()}
    assert found.keys() == model.variables.keys()
    for network in "FGED":
        each = [theirs.name for theirs in official_tensors(network, config).values()]
        assert len(set(each)) == len(each)
    for ours, theirs in found.items():
        # The authors store weights already multiplied by their scales.
        np.testing.assert_allclose(theirs.read(np.ones(theirs.shape)) * model.scales[ours], 1, **FLOAT32)
        assert theirs.read(np.ones(theirs.shape)).shape == tuple(model.variables[ours].shape), ours


def test_the_configuration_follows_from_shapes_and_the_weights_are_equal(sizes):
    config = config_with(*sizes)
    models, trained, averaged, _ = checkpoint_of(config)
    found = config_of(models)
    levels, _, _, _, z, w, layers = sizes
    assert found.image == config.image
    assert (found.lods, found.style.z, found.style.w, found.style.mapping_layers) == (levels, z, w, layers)
    assert found.style.widths(levels) == config.style.widths(levels)
    assert found.style.width(levels) == config.style.width(levels)
    assert found.updates.bundle == "official"
    for expected, is_average in ((trained, False), (averaged, True)):
        converted = convert(models, found, averaged=is_average)
        assert converted.keys() == expected.keys()
        for name, array in converted.items():
            assert (array.dtype, array.flags.c_contiguous) == (np.float32, True)
            np.testing.assert_allclose(array, expected[name], **STORED, err_msg=name)


def change_tensor(models, network, key, change):
    state = dict(models[network])
    change(state, key)
    return models | {network: state}


@pytest.mark.parametrize(
    ("network", "key", "change", "message"),
    [
        ("generator", "const", dict.pop, "'generator' has no tensor 'const'"),
        ("mapping_tl", "map_blocks.2.weight", dict.pop, "'mapping_tl' has no tensor 'map_blocks.2.weight'"),
        (
            "discriminator",
            "more.weight",
            lambda state, key: state.update({key: np.zeros(1)}),
            "'discriminator' has unknown tensors: more.weight",
        ),
        (
            "generator",
            "decode_block.1.conv_1.weight",
            lambda state, key: state.update({key: state[key][:, :-1]}),
            r"'decode_block.1.conv_1.weight' of 'generator' has shape \(3, 4, 3, 3\), but must have \(3, 5, 3, 3\)",
        ),
        (
            "mapping_fl",
            "map_blocks.1.fc.weight",
            lambda state, key: state.update({key: np.zeros((7, 8))}),
            r"'map_blocks.1.fc.weight' of 'mapping_fl' has shape \(7, 8\), but must have \(7, 7\)",
        ),
        (
            "mapping_tl",
            "map_blocks.2.bias",
            lambda state, key: state.update({key: state[key][:8]}),
            r"'map_blocks.2.bias' of 'mapping_tl' has shape \(8,\), but must have \(14,\)",
        ),
    ],
)
def test_conversion_is_strict(network, key, change, message):
    config = config_with(*SIZES["usual"])
    models = checkpoint_of(config)[0]
    with pytest.raises(CheckpointError, match=message):
        convert(change_tensor(models, network, key, change), config)


@pytest.mark.parametrize("network", ["mapping_fl", "generator", "discriminator", "mapping_tl"])
def test_the_error_names_a_missing_network(network):
    config = config_with(*SIZES["usual"])
    models = checkpoint_of(config)[0]
    del models[f"{network}_s"]
    with pytest.raises(CheckpointError, match=f"has no network '{network}_s', which becomes [FGED]"):
        convert(models, config, averaged=True)


@pytest.mark.parametrize(
    "change",
    [
        lambda models: models.pop("discriminator"),
        lambda models: models["discriminator"].pop("from_rgb.0.from_rgb.weight"),
        lambda models: models["discriminator"].update({"from_rgb.0.from_rgb.weight": np.zeros(3)}),
        lambda models: models["discriminator"].update({"encode_block.1.conv_2.weight": np.zeros(())}),
        lambda models: models["discriminator"].update({"from_rgb.0.from_rgb.weight": np.zeros((0, 3, 1, 1))}),
        lambda models: models["mapping_fl"].clear(),
        lambda models: models["mapping_fl"].update({"map_blocks.0.fc.weight": np.zeros((7, 0))}),
    ],
)
def test_tensors_of_other_models_are_refused(change):
    models = checkpoint_of(config_with(*SIZES["usual"]))[0]
    change(models)
    with pytest.raises(CheckpointError, match="these are not the tensors of a StyleALAE"):
        config_of(models)


# ---- files -----------------------------------------------------------------------------------------------------------


def test_an_import_does_not_build_a_network(tmp_path, monkeypatch):
    models = checkpoint_of(config_with(*SIZES["usual"]))[0]
    monkeypatch.setattr("alae_core.model.build", lambda config: pytest.fail("the networks were built"))
    import_official(save(models, tmp_path / "their.pth"), tmp_path / "run")


def test_float64_stays_float64(tmp_path):
    config = config_with(*SIZES["usual"])
    models = {
        name: {key: array * (1 + 1e-12) for key, array in ((k, a.astype(np.float64)) for k, a in state.items())}
        for name, state in checkpoint_of(config)[0].items()
    }
    path = import_official(save(models, tmp_path / "their.pth"), tmp_path / "run")
    found = alae.load_checkpoint(path)
    assert found.config.precision == "float64"
    for prefix, is_average in (("weights", False), ("averages", True)):
        for name, array in convert(models, found.config, averaged=is_average).items():
            assert array.dtype == np.float64
            assert np.array_equal(found.state[f"{prefix}/{name}"], array), name
    assert np.array_equal(found.state["w_mean"], models["dlatent_avg"]["buff"][0])
    assert not np.array_equal(found.state["w_mean"], found.state["w_mean"].astype(np.float32))


def assert_refused(models, tmp_path, message):
    with pytest.raises(CheckpointError, match=message):
        import_official(save(models, tmp_path / "their.pth"), tmp_path / "run")
    assert not (tmp_path / "run").exists(), "nothing is left of a refused file"


def test_a_mean_of_w_that_differs_between_layers_is_refused(tmp_path):
    models = checkpoint_of(config_with(*SIZES["usual"]))[0]
    rows = models["dlatent_avg"]["buff"]
    for wrong in (np.concatenate([rows[1:], rows[:1] + 1]), rows[:-1], rows[0], rows[:, 1:], rows[:0]):
        assert_refused(
            models | {"dlatent_avg": {"buff": wrong}},
            tmp_path,
            "no running mean of w that is the same for all style layers",
        )
    assert_refused(models | {"dlatent_avg": {}}, tmp_path, "no running mean of w")


def test_shapes_larger_than_the_file_are_refused_before_arrays_are_made(tmp_path, monkeypatch):
    """A thin tensor can claim a million feature maps."""
    models = checkpoint_of(config_with(*SIZES["one level"]))[0]
    monkeypatch.setattr("alae_core.state.initial_state", lambda *_: pytest.fail("a state was made"))
    models["discriminator"]["encode_block.0.conv_2.weight"] = np.zeros((10**6, 1, 1, 1), np.float32)
    models["discriminator"]["from_rgb.0.from_rgb.weight"] = np.zeros((10**6, 3, 1, 1), np.float32)
    assert_refused(models, tmp_path, "has shape")


def test_tensors_that_share_one_storage_many_times_are_refused(tmp_path):
    torch = pytest.importorskip("torch")
    shared = torch.zeros(2**16)
    torch.save({"models": {"generator": {str(i): shared for i in range(1000)}}}, tmp_path / "file")
    with pytest.raises(CheckpointError, match="its tensors are larger than the file"):
        import_official(tmp_path / "file", tmp_path / "run")


@pytest.mark.parametrize("content", [[], {"models": 3}, {"model": {}}, {"models": {"generator": 3, 4: {}}}])
def test_other_content_is_refused(tmp_path, content):
    torch = pytest.importorskip("torch")
    torch.save(content, tmp_path / "file")
    with pytest.raises(CheckpointError, match=r"not a checkpoint of the authors' code|not the tensors of a StyleALAE"):
        import_official(tmp_path / "file", tmp_path / "run")


def test_the_error_names_an_unreadable_file(tmp_path):
    with pytest.raises(CheckpointError, match=f"{tmp_path / 'none'} cannot be read: No such file"):
        import_official(tmp_path / "none", tmp_path / "run")
