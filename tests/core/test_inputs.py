"""The arrays that a model's methods refuse, with a one-line error that names the argument."""

import numpy as np
import pytest
from keras import ops

import alae_core as alae
from alae_core import View
from tests.conftest import random_images
from tests.core.conftest import style_images

pytestmark = pytest.mark.each_backend


def catch_error(call):
    """Return the ArgumentError that `call` raises: one line, its argument's name first."""
    with pytest.raises(alae.ArgumentError) as caught:
        call()
    message = str(caught.value)
    assert message == f"{caught.value.argument} {caught.value.problem}"
    assert "\n" not in message
    return caught.value.argument, message


METHODS = {
    "map": lambda model, given: model.map(given["z"]),
    "truncate": lambda model, given: model.truncate(given["w"]),
    "generate": lambda model, given: model.generate(given["w"]),
    "encode": lambda model, given: model.encode(given["images"]),
    "discriminate": lambda model, given: model.discriminate(given["codes"]),
    "reconstruct": lambda model, given: model.reconstruct(given["images"]),
    "reencode": lambda model, given: model.reencode(given["w"]),
    "w_of": lambda model, given: model.w_of(given["images"]),
    "as_seen": lambda model, given: model.as_seen(given["images"]),
}


@pytest.mark.parametrize("method", METHODS)
def test_tensors_are_refused_naming_the_networks_that_take_them(style, method):
    """NumPy would detach a tensor from its gradient, with an error on one framework and silently on another."""
    arrays = {"z": np.zeros((2, 5)), "w": np.zeros((2, 7)), "codes": np.zeros((2, 7)), "images": np.zeros((2, 8, 8, 2))}
    METHODS[method](style, arrays)
    tensors = {name: ops.convert_to_tensor(array, "float32") for name, array in arrays.items()}
    argument, message = catch_error(lambda: METHODS[method](style, tensors))
    assert argument in arrays
    assert message.endswith(
        "is a tensor, but methods of a model take NumPy arrays: call model.F, .G, .E or .D on tensors"
    )
    # A weight is refused too.
    argument, message = catch_error(lambda: style.generate(style.w_mean))
    assert (argument, "is a tensor" in message) == ("w", True)


def test_tensors_are_refused_as_noise_and_as_images_of_d(style, of_images):
    maps = [ops.convert_to_tensor(each) for each in style.sample_noise(2)]
    assert catch_error(lambda: style.generate(np.zeros((2, 7)), noise=maps))[0] == "noise"
    argument, message = catch_error(lambda: of_images.discriminate(ops.convert_to_tensor(style_images(2))))
    assert (argument, "is a tensor" in message) == ("images", True)


@pytest.mark.parametrize("method", ["encode", "reconstruct", "w_of", "as_seen"])
def test_floats_of_grey_levels_are_refused(plain, method):
    grey = np.linspace(0, 255, 48, dtype=np.float32).reshape(2, 4, 3, 2)
    argument, message = catch_error(lambda: getattr(plain, method)(grey))
    assert (argument, message) == ("images", "images are floats of 0 … 255: they should be uint8, or floats in [−1, 1]")
    # Generated images may exceed the range, and an image may be all white.
    for images in (random_images() * 1.7, np.ones((1, 4, 3, 2)), np.full((1, 4, 3, 2), -40.0)):
        getattr(plain, method)(images)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (
            np.zeros((2, 4, 3, 2), np.int64),
            "must be uint8 or floats (batch, H, W, C), but are int64 of shape (2, 4, 3, 2)",
        ),
        (np.zeros((2, 4, 3, 2), bool), "must be uint8 or floats (batch, H, W, C), but are bool"),
        (np.zeros((4, 3, 2)), "must be uint8 or floats (batch, H, W, C), but are float64 of shape (4, 3, 2)"),
        (np.zeros((2, 3, 4, 2)), "must have shape (batch, 4, 3, 2), but have (2, 3, 4, 2)"),
        (np.zeros((2, 4, 3, 1)), "must have shape (batch, 4, 3, 2), but have (2, 4, 3, 1)"),
    ],
)
@pytest.mark.parametrize("method", ["encode", "reconstruct", "w_of", "as_seen"])
def test_images_of_other_shapes_or_dtypes_are_refused(plain, method, images, message):
    assert catch_error(lambda: getattr(plain, method)(images))[1].startswith(f"images {message}")


@pytest.mark.parametrize(
    ("method", "given", "message"),
    [
        ("map", np.zeros((2, 7)), "z must have shape (batch, 5), but has (2, 7)"),
        ("map", np.zeros(5), "z must have shape (batch, 5), but has (5,)"),
        ("generate", np.zeros((2, 5)), "w must have shape (batch, 7) or (batch, 4, 7), but has (2, 5)"),
        ("generate", np.zeros((2, 3, 7)), "w must have shape (batch, 7) or (batch, 4, 7), but has (2, 3, 7)"),
        ("reencode", np.zeros(()), "w must have shape (batch, 7) or (batch, 4, 7), but has ()"),
        ("truncate", np.zeros((2, 2, 7)), "w must have shape (batch, 7) or (batch, 4, 7), but has (2, 2, 7)"),
        ("discriminate", np.zeros((2, 4, 7)), "codes must have shape (batch, 7), but has (2, 4, 7)"),
        ("discriminate", "seven", "codes is 'seven', but must be an array of numbers"),
        ("map", [[1.0], [2.0, 3.0]], "z is [[1.0], [2.0, 3.0]], but must be an array of numbers"),
        ("encode", [[1.0], [2.0, 3.0]], "images are [[1.0], [2.0, 3.0]], but must be an array (batch, H, W, C)"),
    ],
)
def test_vectors_of_another_width_are_refused(style, method, given, message):
    assert catch_error(lambda: getattr(style, method)(given))[1] == message


def test_a_coarser_level_needs_only_its_own_styles(style):
    styles = np.random.default_rng(0).normal(size=(3, 4, 7))
    np.testing.assert_array_equal(style.generate(styles[:, :2], View(0)), style.generate(styles, View(0)))
    message = catch_error(lambda: style.generate(styles[:, :1], View(0)))[1]
    assert message.startswith("w must have shape (batch, 7) or (batch, 2, 7) or (batch, 3, 7) or (batch, 4, 7), but")


def test_perceptrons_take_one_w_for_an_image(plain):
    message = "w must have shape (batch, 7), but has (2, 4, 7)"
    assert catch_error(lambda: plain.generate(np.zeros((2, 4, 7))))[1] == message


@pytest.mark.parametrize("method", ["encode", "reconstruct", "w_of", "as_seen"])
def test_images_of_another_level_are_refused(style, method):
    message = catch_error(lambda: getattr(style, method)(style_images(2, 4)))[1]
    assert message == "images must have shape (batch, 8, 8, 2), but have (2, 4, 4, 2)"
    message = catch_error(lambda: getattr(style, method)(style_images(2, 8), View(0)))[1]
    assert message == "images must have shape (batch, 4, 4, 2), but have (2, 8, 8, 2)"


@pytest.mark.parametrize(
    ("arguments", "argument", "message"),
    [
        ({"view": lambda: View(2)}, "lod", "lod is 2, but the model has the levels 0 … 1"),
        ({"view": lambda: View(-1)}, "lod", "lod is -1: levels of detail start at 0"),
        ({"view": lambda: View(1, 1.5)}, "blend", "blend is 1.5: it must lie in 0 … 1"),
        ({"noise": "zero"}, "noise", "noise is 'zero': it should be fixed, random, none, bump or a list of maps"),
        ({"noise": []}, "noise", "noise must be maps of shapes [(1, 4, 4, 1), (4, 4, 4, 1), (4, 8, 8, 1), "),
        ({"noise": [np.zeros((4, 4, 4, 1))] * 4}, "noise", "noise must be maps of shapes"),
        ({"noise": [np.zeros((3, 4, 4, 1))] * 2, "view": lambda: View(0)}, "noise", "noise must be maps of shapes"),
        ({"labels": np.zeros(4, int)}, "labels", "labels were given, but the model was trained without labels: omit"),
    ],
)
@pytest.mark.parametrize("method", ["generate", "reencode"])
def test_impossible_arguments_are_named(style, method, arguments, argument, message):
    def call():
        view = arguments["view"]() if "view" in arguments else None
        rest = {key: value for key, value in arguments.items() if key != "view"}
        return getattr(style, method)(np.zeros((4, 7)), view, **rest)

    found, text = catch_error(call)
    assert found == argument
    assert text.startswith(message)


@pytest.mark.parametrize("psi", [-0.1, 1.5, float("nan")])
def test_psi_must_be_between_0_and_1(style, psi):
    assert catch_error(lambda: style.truncate(np.zeros((2, 7)), psi)) == (
        "psi",
        f"psi is {psi:g}: it must lie in 0 … 1",
    )


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_seeds_must_be_nonnegative_63_bit_integers(style, seed):
    expected = ("seed", f"seed is {seed}: it must lie in 0 … 2**63 - 1")
    assert catch_error(lambda: style.sample_prior(1, seed)) == expected
    assert catch_error(lambda: style.sample_noise(1, seed)) == expected


def test_only_style_networks_have_levels_noise_and_truncation(plain):
    w = plain.map(plain.sample_prior(2))
    assert catch_error(lambda: plain.generate(w, View(0))) == (
        "lod",
        "lod is 0, but only style networks have levels of detail",
    )
    assert catch_error(lambda: plain.encode(random_images(2), View(1, 0.5)))[0] == "lod"
    assert catch_error(lambda: plain.generate(w, noise=[]))[1] == "noise is for style networks"
    assert catch_error(lambda: plain.sample_noise(2))[1] == "noise is for style networks"
    assert catch_error(lambda: plain.truncate(w))[1] == "psi is for style networks: others keep no mean of w"
    # The command line passes modes of noise to every model; other networks ignore them.
    assert np.array_equal(plain.generate(w, noise="none"), plain.generate(w))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "labels are missing: the model has 3 classes; pass the class of each image"),
        (np.array([0, 3]), "labels must lie in 0 … 2, but reach from 0 to 3"),
        (np.array([-1, 2]), "labels must lie in 0 … 2, but reach from -1 to 2"),
        (np.array([0.0, 1.0]), "labels must be class numbers (batch,), but are float64 (2,)"),
        (np.eye(3, dtype=int)[:2], "labels must be class numbers (batch,), but are int64 (2, 3)"),
        (np.array([0, 1, 2]), "labels are 3, but must be 2, one for each image"),
    ],
)
@pytest.mark.parametrize("method", ["generate", "encode", "reconstruct", "reencode", "w_of"])
def test_labels_are_required_and_validated(classes, method, labels, message):
    given = np.zeros((2, 7)) if method in ("generate", "reencode") else random_images(2)
    getattr(classes, method)(given, labels=[0, 2])
    assert catch_error(lambda: getattr(classes, method)(given, labels=labels)) == ("labels", message)


def test_style_models_need_labels_for_F_and_D_alone(style_classes):
    model, z, x = style_classes, np.zeros((2, 5)), random_images(2, (8, 8, 2))
    w, labels = model.map(z, labels=[0, 2]), np.array([0, 3])
    for method, given in (("map", z), ("discriminate", w)):
        for wrong, start in ((None, "labels are missing"), (labels, "labels must lie in 0 … 2")):
            argument, message = catch_error(lambda: getattr(model, method)(given, labels=wrong))  # noqa: B023
            assert (argument, message.startswith(start)) == ("labels", True)
    for method, given in (
        ("generate", w),
        ("encode", x),
        ("hidden", x),
        ("reconstruct", x),
        ("reencode", w),
        ("w_of", x),
    ):
        assert np.array_equal(getattr(model, method)(given, labels=labels), getattr(model, method)(given)), method


def test_models_without_labels_refuse_them(classes, plain):
    classes.discriminate(classes.map(classes.sample_prior(2)))
    message = "labels were given, but the model was trained without labels: omit them"
    assert catch_error(lambda: plain.encode(random_images(1), labels=np.array([0])))[1] == message
