"""The functions of a model that exports contain: equal to the methods of `Alae`, which compute the examples."""

import numpy as np
import pytest

import alae_core as alae
from alae_workbench.exports.programs import make_examples, make_programs
from tests.conftest import slow, tiny_config, tiny_conv_config, tiny_style_config
from tests.tolerances import STYLE


def assert_programs_compute_examples(model, noise="fixed"):
    from keras import ops

    programs = make_programs(model, noise=noise)
    examples = make_examples(model, programs, noise)
    for program in programs:
        for case in (0, 1):
            inputs = [examples[f"{program.name}/{case}/{port.name}"] for port in program.inputs]
            found = ops.convert_to_numpy(program.function(*map(ops.convert_to_tensor, inputs)))
            expected = examples[f"{program.name}/{case}/expected"]
            np.testing.assert_allclose(found, expected, err_msg=program.name, **STYLE)
            rows = len(expected)
            for port, array in zip([*program.inputs, program.output], [*inputs, expected], strict=True):
                assert array.shape == tuple(rows if size is None else size for size in port.shape)
                assert array.dtype == port.dtype
    return [program.name for program in programs]


def test_functions_of_perceptrons_with_labels(backend):
    names = assert_programs_compute_examples(alae.build(tiny_config(labels=3)))
    assert names == ["F", "G", "E", "D", "generate", "reconstruct"]


@pytest.mark.parametrize("config", [*slow(tiny_conv_config(labels=3)), tiny_config(reciprocity="z", networks__w=5)])
def test_functions_of_other_networks(backend, config):
    assert_programs_compute_examples(alae.build(config))


@pytest.mark.parametrize("noise", ["input", *slow("fixed", "none", "bump")])
def test_functions_of_style_networks_truncate_and_take_noise(backend, noise):
    config = tiny_style_config(networks__truncation_layers=1)
    model = alae.build(config)
    model.set_weights({name: value + 0.1 for name, value in model.weights().items()})
    model.w_mean.assign(np.arange(7))
    model.view = alae.View(1, blend=0.25)
    assert_programs_compute_examples(model, noise)


@pytest.mark.parametrize("choices", [{}, *slow({"reciprocity": "z", "networks__z": 7})])
def test_functions_of_style_networks_with_labels(backend, choices):
    model = alae.build(tiny_style_config(labels=3, **choices))
    assert_programs_compute_examples(model, "input")
    takers = {program.name for program in make_programs(model) if any(p.name == "labels" for p in program.inputs)}
    assert takers == {"F", "D", "generate"} | ({"reconstruct"} if choices else set())


def test_functions_of_networks_that_a_model_lacks_are_left_out(backend):
    model = alae.build(tiny_config(algorithm="autoencoder"))
    assert [program.name for program in make_programs(model)] == ["G", "E", "reconstruct"]
    with pytest.raises(alae.ArgumentError, match="functions are D, but the algorithm autoencoder has none"):
        make_programs(model, ["D"])
    with pytest.raises(alae.ArgumentError, match="functions has H; it must be some of F, G, E, D, generate, recon"):
        make_programs(model, ["H"])
    with pytest.raises(alae.ArgumentError, match="noise is random; in an export it must be one of fixed, input"):
        make_programs(model, noise="random")
