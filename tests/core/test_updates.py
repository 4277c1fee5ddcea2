"""Algorithm 1 as data: the networks and Adams of each bundle; and other algorithms."""

import pytest

import alae_core as alae
from alae_core import updates_of
from alae_core.state import adams
from tests.conftest import tiny_config, tiny_conv_config, tiny_style_config
from tests.helpers.algorithms import register

pytestmark = pytest.mark.each_backend


def trains(**overrides):
    return {update.name: dict(update.trains) for update in updates_of(tiny_config(**overrides))}


def test_paper_has_an_adam_per_update_and_does_not_train_f_in_reciprocity():
    assert trains(updates="paper") == {
        "discriminator": {"E": "discriminator", "D": "discriminator"},
        "generator": {"F": "generator", "G": "generator"},
        "reciprocity": {"E": "reciprocity", "G": "reciprocity"},
    }


def test_official_has_two_adams_and_trains_f_in_reciprocity():
    assert trains(updates="official") == {
        "discriminator": {"E": "encoder", "D": "encoder"},
        "generator": {"F": "decoder", "G": "decoder"},
        "reciprocity": {"E": "encoder", "G": "decoder", "F": "decoder"},
    }
    assert adams(updates_of(tiny_config(updates="official"))) == [
        ("encoder", "E"),
        ("encoder", "D"),
        ("decoder", "F"),
        ("decoder", "G"),
    ]


def test_the_order_is_algorithm_1():
    assert list(trains()) == ["discriminator", "generator", "reciprocity"]


@pytest.mark.parametrize("kind", ["paper", "official"])
def test_without_reciprocity_alae_is_a_plain_gan(kind):
    assert list(trains(updates=kind, reciprocity="none")) == ["discriminator", "generator"]


def test_choices_are_independent():
    paper = trains(updates="paper")
    assert trains(updates="paper", updates__distance="mean") == trains(updates="paper", updates__target="constant")
    assert trains(updates="paper", updates__distance="mean") == paper
    assert trains(updates="paper", updates__trains_F=True) == paper | {
        "reciprocity": {"E": "reciprocity", "G": "reciprocity", "F": "reciprocity"}
    }
    assert trains(updates="paper", updates__adam="shared") == {
        "discriminator": {"E": "encoder", "D": "encoder"},
        "generator": {"F": "decoder", "G": "decoder"},
        "reciprocity": {"E": "encoder", "G": "decoder"},
    }


def test_joint_closes_the_loop_in_w_within_the_adversarial_updates():
    expected = {
        "discriminator": {"E": "discriminator", "D": "discriminator"},
        "generator": {"F": "generator", "G": "generator"},
    }
    for space in ("latent", "z"):
        assert trains(updates="joint", reciprocity=space, networks__z=7) == expected
    for space in ("both", "data"):
        assert trains(updates="joint", reciprocity=space) == expected | {"pixels": {"E": "pixels", "G": "pixels"}}
    assert trains(updates="joint", reciprocity="none") == expected


def test_joint_updates_may_share_two_adams():
    assert trains(updates="joint", reciprocity="both", updates__adam="shared") == {
        "discriminator": {"E": "encoder", "D": "encoder"},
        "generator": {"F": "decoder", "G": "decoder"},
        "pixels": {"E": "encoder", "G": "decoder"},
    }


def test_pixels_is_due_at_every_k_th_step_and_draws_no_z():
    *adversarial, pixels = updates_of(tiny_conv_config(updates__every=3))
    assert [update.every for update in adversarial] == [1, 1]
    assert (pixels.symbol, pixels.every, pixels.draws, pixels.moves_w_mean) == ("P", 3, ("noise",), False)
    assert [update.every for update in updates_of(tiny_config(updates__every=3))] == [1, 1, 3]
    assert [update.every for update in updates_of(tiny_conv_config())] == [1, 1, 4]


def test_with_a_discriminator_of_images_joint_trains_e_in_the_discriminators_update():
    images = {"networks__discriminator": "images", "updates": "joint"}
    found = [set(update.trains) for update in updates_of(tiny_style_config(**images, reciprocity="both"))]
    assert found == [{"E", "D"}, {"F", "G"}, {"E", "G"}]
    # The loop in images does not need E there.
    found = [set(update.trains) for update in updates_of(tiny_style_config(**images, reciprocity="data"))]
    assert found == [{"D"}, {"F", "G"}, {"E", "G"}]


def test_with_a_discriminator_of_images_only_reciprocity_trains_e():
    config = tiny_style_config(networks__discriminator="images")
    assert [set(update.trains) for update in updates_of(config)] == [{"D"}, {"F", "G"}, {"E", "G"}]


def test_updates_have_symbols_and_draws():
    updates = updates_of(tiny_style_config())
    assert [update.symbol for update in updates] == ["D", "G", "R"]
    adversarial = ("z", "mix", "noise", "augment")
    assert [update.draws for update in updates] == [adversarial, adversarial, ("z", "noise")]
    assert all(update.moves_w_mean for update in updates)
    assert [update.separation is not None for update in updates] == [True, False, False]


def test_reciprocity_in_data_space_cannot_train_f():
    assert set(trains(updates="official", reciprocity="data")["reciprocity"]) == {"E", "G"}


@pytest.mark.parametrize("kind", ["paper", "official"])
def test_baselines_have_the_documented_updates(kind):
    def found(algorithm):
        config = tiny_config(algorithm=algorithm, updates=kind, networks__z=6, networks__w=6)
        return {update.name: (dict(update.trains), update.draws) for update in updates_of(config)}

    def adams(update, networks):
        shared = {"E": "encoder", "X": "encoder", "C": "encoder", "V": "encoder", "G": "decoder"}
        return {network: update if kind == "paper" else shared[network] for network in networks}

    assert found("autoencoder") == {"reconstruction": (adams("reconstruction", "EG"), ("noise",))}
    assert found("vae") == {"evidence": (adams("evidence", "EVG"), ("z", "noise"))}
    assert found("bigan") == {
        "discriminator": (adams("discriminator", "XC"), ("z", "noise")),
        "generator": (adams("generator", "EG"), ("z", "noise")),
    }


# ---- algorithms ------------------------------------------------------------------------------------------------------


def test_an_unknown_algorithm_suggests_a_similar_one(backend):
    with pytest.raises(alae.ConfigError, match=r"no algorithm 'alea'; did you mean 'alae'\?; algorithms: alae"):
        alae.build(tiny_config(algorithm="alea"))


def test_a_model_has_the_networks_of_its_algorithm(backend, monkeypatch):
    register(monkeypatch)
    model = alae.build(tiny_config(algorithm="autoencoder"))
    assert (set(model.networks), model.has("GE"), model.has("F")) == ({"G", "E"}, True, False)
    assert {name.split("/")[0] for name in model.variables} == {"G", "E"}
    for wanted in (lambda: model.F, lambda: model.map(model.sample_prior(1))):
        with pytest.raises(alae.AlaeError, match="the model has no network F: autoencoder has "):
            wanted()
    assert "F" not in repr(model).split(";")[0]


def test_updates_are_found_by_name(backend, monkeypatch):
    register(monkeypatch)
    model = alae.build(tiny_config(algorithm="alae+pixels"))
    assert [update.symbol for update in model.updates] == ["D", "G", "R", "P"]
    assert model.update("pixels") is model.updates[3]
    with pytest.raises(alae.ArgumentError, match="update is 'pixel': it should be one of discriminator, generator, re"):
        model.update("pixel")
