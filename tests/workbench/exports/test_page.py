"""The pictures of the page that runs a model in the browser equal NumPy's."""

import json
from importlib.util import find_spec

import numpy as np
import pytest

from alae_core.streams import sample_prior
from alae_core.truncation import truncate
from alae_workbench.models.mixing import layer_ranges, mix
from tests.helpers.browser import closing_browser, needs_browser
from tests.helpers.pages import (
    assert_same_picture,
    assert_tabs_have_no_errors,
    load_functions,
    map_seed,
    read_details,
    read_example,
    serving,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.framework,
    needs_browser,
    pytest.mark.skipif(find_spec("onnxruntime") is None, reason="the extra [export] is not installed"),
]


def test_seeds_are_those_of_alae(browser, address):
    browser.open(address)
    for seed in (0, 7, 2**32 - 1):
        found = browser.call(
            f"const done = arguments[0]; import('/js/normals.js').then((m) => done([...m.sampleNormals(3000, {seed})]))"
        )
        # The logarithm of the tail may differ in the last bit.
        np.testing.assert_allclose(np.float32(found), sample_prior(1, 3000, seed=seed)[0], rtol=2e-7)


def test_samples_and_their_variations(browser, address, model):
    browser.open(f"{address}#sample?seed=5")
    pictures = browser.read_pictures(".grid canvas")
    assert len(pictures) == 12
    for i in (0, 3):
        assert_same_picture(pictures[i], model["G"](map_seed(model, 5 + i)))
    browser.run("document.querySelectorAll('.grid button')[3].click()")
    browser.settle()
    variations = browser.read_pictures(".grid canvas")
    z, other = sample_prior(1, 64, seed=8), sample_prior(1, 64, seed=8 + 1000003)
    expected = model["G"](model["F"](np.float32(np.cos(np.pi / 6) * z + np.sin(np.pi / 6) * other)))
    assert_same_picture(variations[0], expected)
    assert browser.run("return location.hash") == "#sample?seed=5&of=s8"


def test_reconstructions_of_examples(browser, address, site, model, details):
    browser.open(f"{address}#reconstruct?of=e3")
    image, reconstruction = browser.read_pictures(".pair canvas")
    x = read_example(site, 3)
    assert_same_picture(image, x)
    w = model["E"](x)
    assert_same_picture(reconstruction, model["G"](w))
    error = ((model["E"](model["G"](w)) - w) ** 2).mean() / details["variance"]
    text = browser.run("return document.querySelector('.caption').textContent")
    assert f"Reciprocity error {error:.3f}; {details['meanReciprocity']:.3f} on average for 48 images" in text


def test_mixtures_interpolations_and_edits(browser, address, site, model, details):
    browser.open(f"{address}#mix?rows=s1,s2,s3&columns=e4,s5,s6&share=0.25&at=0")
    mixture = 0.75 * map_seed(model, 1) + 0.25 * model["E"](read_example(site, 4))
    assert_same_picture(browser.read_pictures("canvas.large")[0], model["G"](mixture))
    browser.follow("#interpolate?corners=s0,s1,s2,s3&x=0.25&y=0.5")
    corners = [map_seed(model, seed) for seed in range(4)]
    point = np.float32(sum(weight * w for weight, w in zip((0.375, 0.125, 0.375, 0.125), corners, strict=True)))
    assert_same_picture(browser.read_pictures("canvas.large")[0], model["G"](point))
    name = next(iter(details["directions"]))
    browser.follow(f"#edit?of=s4&move={name}:2")
    w = map_seed(model, 4)
    before, after = browser.read_pictures(".pair canvas")
    assert_same_picture(before, model["G"](w))
    assert_same_picture(after, model["G"](w + 2 * np.float32(details["directions"][name])))


def test_pictures_of_models_with_labels_are_of_the_chosen_class(browser, tiny_sites):
    site = tiny_sites / "labelled" / "site"
    model = load_functions(site)
    details = read_details(site)
    w = [model["F"](sample_prior(1, 5, seed=seed)) for seed in range(12)]
    with serving(site) as address:
        browser.open(address)
        pictures = browser.read_pictures(".grid canvas")
        assert len({picture.tobytes() for picture in pictures}) == 12
        for i, picture in enumerate(pictures):
            assert_same_picture(picture, model["G"](w[i], np.array([i % 10])))
        browser.follow("#sample?class=3")
        assert_same_picture(browser.read_pictures(".grid canvas")[5], model["G"](w[5], np.array([3])))
        assert (
            browser.run("return document.querySelector('.grid canvas').getAttribute('aria-label')") == "seed 0, class 3"
        )
        # An example has a class of its own, and another may be chosen.
        own = details["exampleClasses"][1]
        x = read_example(site, 1, size=8)[..., None]
        for fragment, label in (("of=e1", own), (f"of=e1&class={own - 1}", own - 1)):
            browser.follow(f"#reconstruct?{fragment}")
            assert browser.run("return document.getElementById('class').value") == str(label)
            again = model["G"](model["E"](x, np.array([label])), np.array([label]))
            assert_same_picture(browser.read_pictures(".pair canvas")[1], again)
        browser.run("document.getElementById('class').value = 0")
        browser.run("document.getElementById('class').dispatchEvent(new Event('change'))")
        browser.wait("location.hash.includes('class=0')")
        browser.settle()
        again = model["G"](model["E"](x, np.array([0])), np.array([0]))
        assert_same_picture(browser.read_pictures(".pair canvas")[1], again)
        browser.follow("#mix?rows=s1&columns=s10&share=0.5&at=0&class=2")
        mixture = model["G"]((w[1] + w[10]) / 2, np.array([2]))
        assert_same_picture(browser.read_pictures("canvas.large")[0], mixture)
        assert_tabs_have_no_errors(browser, "?class=99")


def test_styles_are_truncated_and_mixed_by_layers(browser, tiny_sites):
    site = tiny_sites / "style" / "site"
    model = load_functions(site)
    details = read_details(site)
    mean = np.float32(json.loads((site / "model" / "export.json").read_text("utf-8"))["truncation"]["mean"])

    def make_styles(seed, psi=0.7):
        return truncate(model["F"](sample_prior(1, 5, seed=seed)), mean, psi, truncated=2, layers=4)

    def encode(example):
        return truncate(model["E"](read_example(site, example, size=8)[..., None]), mean, 1, truncated=2, layers=4)

    with serving(site) as address:
        browser.open(address)
        pictures = browser.read_pictures(".grid canvas")
        assert len({picture.tobytes() for picture in pictures}) == 12
        assert_same_picture(pictures[4], model["G"](make_styles(4)))
        browser.set_slider("Truncation ψ", 0.2)
        assert_same_picture(browser.read_pictures(".grid canvas")[4], model["G"](make_styles(4, 0.2)))
        assert browser.run("return location.hash") == "#sample?seed=0&psi=0.2"
        browser.press("Edit")
        browser.wait("location.hash.startsWith('#edit')")
        browser.settle()
        name = next(iter(details["directions"]))
        browser.set_slider(details["labels"][name], 2)
        before, after = browser.read_pictures(".pair canvas")
        assert_same_picture(before, model["G"](make_styles(0, 0.2)))
        moved = make_styles(0, 0.2) + 2 * np.float32(details["directions"][name])
        assert_same_picture(after, model["G"](moved))
        assert before.tobytes() != after.tobytes()
        browser.follow("#reconstruct?of=e3")
        assert_same_picture(browser.read_pictures(".pair canvas")[1], model["G"](encode(3)))
        browser.follow("#mix?rows=s1,e4,s3&columns=s5,s6,e7&at=5")
        for name, levels in layer_ranges(2).items():
            browser.press(name)
            browser.settle()
            [[mixture]] = mix(encode(4), encode(7), levels)
            assert_same_picture(browser.read_pictures("canvas.large")[0], model["G"](mixture[None]))
            [[mixture]] = mix(make_styles(1), make_styles(6), levels)
            assert_same_picture(browser.read_pictures(".mix > .tile canvas")[1], model["G"](mixture[None]))
            assert f"layers={name}" in browser.run("return location.hash")
        browser.follow("#interpolate?corners=s2,e5&x=0.25")
        between = 0.75 * make_styles(2) + 0.25 * encode(5)
        assert_same_picture(browser.read_pictures("canvas.large")[0], model["G"](np.float32(between)))
        assert_tabs_have_no_errors(browser)


def test_styles_are_of_the_chosen_class(browser, tiny_sites):
    """F takes the class, E and G do not."""
    site = tiny_sites / "labelled-style" / "site"
    model = load_functions(site)
    mean = np.float32(json.loads((site / "model" / "export.json").read_text("utf-8"))["truncation"]["mean"])

    def make_styles(seed, label):
        w = model["F"](sample_prior(1, 5, seed=seed), np.array([label]))
        return truncate(w, mean, 0.7, truncated=2, layers=4)

    with serving(site) as address:
        browser.open(address)
        pictures = browser.read_pictures(".grid canvas")
        assert len({picture.tobytes() for picture in pictures}) == 12
        for i in (1, 11):
            assert_same_picture(pictures[i], model["G"](make_styles(i, i % 10)))
        browser.follow("#mix?rows=s1&columns=s10&layers=coarse&at=0&class=2")
        [[mixture]] = mix(make_styles(1, 2), make_styles(10, 2), layer_ranges(2)["coarse"])
        assert_same_picture(browser.read_pictures("canvas.large")[0], model["G"](mixture[None]))
        browser.follow("#reconstruct?of=e1&class=3")
        x = read_example(site, 1, size=8)[..., None]
        again = truncate(model["E"](x), mean, 1, truncated=2, layers=4)
        assert_same_picture(browser.read_pictures(".pair canvas")[1], model["G"](again))
        assert_tabs_have_no_errors(browser, "?class=4")


def test_a_server_computes_the_same_pictures(server_address, site, model):
    with closing_browser() as browser:
        browser.open(f"{server_address}#sample?seed=5")
        assert_same_picture(browser.read_pictures(".grid canvas")[3], model["G"](map_seed(model, 8)))
        browser.follow("#reconstruct?of=e3")
        x = read_example(site, 3)
        assert_same_picture(browser.read_pictures(".pair canvas")[1], model["G"](model["E"](x)))
        assert "by the server of this page" in browser.run("return document.querySelector('footer').textContent")
        assert browser.read_errors() == []
        requests = [url for url in browser.read_requests() if url.startswith("http")]
        assert any(url.endswith("/run/G") for url in requests)
        assert [url for url in requests if not url.startswith(server_address)] == []
        assert [url for url in requests if "/runtime/" in url or ".onnx" in url] == []
