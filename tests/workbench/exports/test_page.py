"""The page that runs a model in the browser: its pictures equal NumPy's, and no request leaves the machine."""

import json
import os
import signal
import struct
import subprocess
import sys
import threading
import zlib
from contextlib import contextmanager
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image

import alae_core as alae
from alae_core.images import to_float, to_uint8
from alae_core.streams import sample_prior
from alae_core.truncation import truncate
from alae_workbench.exports.runtime import copy_runtime
from alae_workbench.exports.serving import make_server
from alae_workbench.models.mixing import layer_ranges, mix
from tests.helpers.browser import Browser, needs_browser
from tests.helpers.python import run_python

pytestmark = [
    pytest.mark.slow,
    pytest.mark.framework,
    needs_browser,
    pytest.mark.skipif(find_spec("onnxruntime") is None, reason="the extra [export] is not installed"),
]
TABS = ["sample", "reconstruct", "mix", "interpolate", "edit"]
#: exports pages of tiny models with random weights, whose examples are digits; one process imports PyTorch once
TINY_SITES = """
import os, sys
from pathlib import Path
os.environ["KERAS_BACKEND"] = "torch"
import numpy as np
import alae_core as alae
from alae_core.checkpoint_writing import write_checkpoint
from alae_core.state import initial_state
from alae_workbench.exports.export import open_for_export
from alae_workbench.exports.page import export_page
from tests import conftest

style = {"image": [8, 8, 1], "networks__truncation_layers": 2}
configs = {
    "labelled": conftest.tiny_config(image=[8, 8, 1], labels=10),
    "style": conftest.tiny_style_config(**style),
    "labelled-style": conftest.tiny_style_config(**style, labels=10),
}
backend = alae.load_backend("torch", "cpu", "float32")
for name, config in configs.items():
    model, rng = alae.build(config), np.random.default_rng(0)
    # Larger than at the start of training, so that pictures differ and noise has an effect.
    model.set_weights({key: value + rng.normal(0, 0.2, value.shape) for key, value in model.weights().items()})
    mean = None if model.w_mean is None else rng.normal(0, 0.5, 7).astype(np.float32)
    state = initial_state(config, model.updates, model.weights(), mean)
    training = {"data": "digits", "held_out": 30}
    write_checkpoint(Path(name, "run"), state, config, author=backend, run={"training": training})
    opened = open_for_export(Path(name, "run"), "onnx", lod=None if mean is None else 1)
    export_page(opened, Path(name, "site"), runtime=Path(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runtime")
    try:
        copy_runtime(folder)
    except alae.AlaeError as error:
        pytest.skip(str(error))
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory, runtime):
    """The page of the model that ships with alae, as files."""
    folder = tmp_path_factory.mktemp("page")
    run_python(["-m", "alae_cli", "export", "shipped", "site", "--format", "web", "--runtime", str(runtime)], folder)
    return folder / "site"


@pytest.fixture(scope="module")
def tiny_sites(tmp_path_factory, runtime):
    """The folder with the pages of three tiny models: `labelled`, `style` and `labelled-style`."""
    folder = tmp_path_factory.mktemp("tiny")
    run_python(["-c", TINY_SITES, str(runtime)], folder)
    return folder


@pytest.fixture(scope="module")
def address(site):
    with serving(site) as address:
        yield address


@pytest.fixture(scope="module")
def server_address(tmp_path_factory):
    """The page of the shipped model, which `alae demo --server` runs on PyTorch."""
    pytest.importorskip("starlette")
    pytest.importorskip("uvicorn")
    folder = tmp_path_factory.mktemp("server")
    words = ["demo", "--server", "--no-browser", "--backend", "torch", "--device", "cpu"]
    environment = {key: value for key, value in os.environ.items() if key != "KERAS_BACKEND"}
    environment["TMPDIR"] = str(folder)
    command = [sys.executable, "-m", "alae_cli", *words]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = next((line for line in process.stdout if line.startswith("http://")), None)
            assert line, "the server has not started"
            yield line.partition(" ")[0]
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
        finally:
            process.kill()
    assert list(folder.glob("alae-demo-*")) == [], "the temporary page stays"


@contextmanager
def serving(site):
    server, address = make_server(site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield address
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser():
    with closing_browser() as browser:
        yield browser


@contextmanager
def closing_browser():
    browser = Browser()
    try:
        yield browser
    finally:
        browser.driver.quit()


@pytest.fixture(scope="module")
def model(site):
    return load_functions(site)


def load_functions(site):
    """Return F, G and E as functions of NumPy arrays, run by ONNX Runtime."""
    import onnxruntime

    def make(name):
        session = onnxruntime.InferenceSession(site / "model" / f"{name}.onnx")
        names = [port.name for port in session.get_inputs()]
        return lambda *arrays: session.run(None, dict(zip(names, arrays, strict=True)))[0]

    return {name: make(name) for name in "FGE"}


@pytest.fixture(scope="module")
def details(site):
    return json.loads((site / "model" / "page.json").read_text("utf-8"))


def map_seed(model, seed):
    return model["F"](sample_prior(1, 64, seed=seed))


def read_example(site, index, size=32):
    row = np.asarray(Image.open(site / "model" / "examples.png"))
    return to_float(row[:, size * index : size * (index + 1)])[None]


def assert_same_picture(found, expected):
    """The page rounds to grey levels as `to_uint8` does, of numbers that differ in the last digits."""
    assert np.abs(found.astype(int) - to_uint8(expected[0]).astype(int)).max() <= 1


def test_seeds_are_those_of_alae(browser, address):
    browser.open(address)
    for seed in (0, 7, 2**32 - 1):
        found = browser.call(
            f"const done = arguments[0]; import('/js/normals.js').then((m) => done([...m.sampleNormals(3000, {seed})]))"
        )
        # The logarithm of the tail may differ in the last bit.
        np.testing.assert_allclose(np.float32(found), sample_prior(1, 3000, seed=seed)[0], rtol=2e-7)


def test_the_page_explains_the_model_and_each_tab(browser, address, tiny_sites):
    browser.open(address)
    assert browser.run("return document.title") == "A model of avatars · ALAE"
    about = browser.run("return document.getElementById('about').textContent")
    assert "trained on 19,000 images of 32×32 pixels. It encodes a picture as 64 numbers" in about
    hints = set()
    for tab in TABS:
        browser.follow(f"#{tab}")
        hints.add(browser.run("return document.getElementById('hint').textContent"))
    assert len(hints - {""}) == len(TABS)
    # This number is on the card of an exported run only.
    assert json.loads((tiny_sites / "style/site/model/page.json").read_text("utf-8"))["trainingImages"] is None


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


def test_a_link_opens_the_same_pictures(browser, address, tmp_path, details):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)).save(tmp_path / "mine.png")
    browser.open(f"{address}#edit")
    press(browser, "Choose picture")
    open_file(browser, tmp_path / "mine.png")
    browser.wait("!document.querySelector('dialog')")
    browser.settle()
    name = next(iter(details["directions"]))
    browser.set_slider(details["labels"][name], -1.5)
    link, pictures = browser.run("return location.href"), browser.read_pictures(".pair canvas")
    assert f"move={name}:-1.5" in link
    # The same from another tab by the browser's Back, and in a new page.
    browser.run("document.getElementById('tab-mix').click()")
    browser.settle()
    browser.driver.back()
    browser.settle()
    assert all(map(np.array_equal, browser.read_pictures(".pair canvas"), pictures))
    browser.open(link)
    for found, expected in zip(browser.read_pictures(".pair canvas"), pictures, strict=True):
        assert np.array_equal(found, expected)


def test_pictures_of_models_with_labels_are_of_the_chosen_class(browser, tiny_sites):
    site = tiny_sites / "labelled" / "site"
    model = load_functions(site)
    details = json.loads((site / "model" / "page.json").read_text("utf-8"))
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
    details = json.loads((site / "model" / "page.json").read_text("utf-8"))
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
        press(browser, "Edit")
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
            press(browser, name)
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


def assert_tabs_have_no_errors(browser, query=""):
    for tab in TABS:
        browser.follow(f"#{tab}{query}")
        assert browser.run("return document.getElementById('error').hidden"), tab
    assert browser.read_errors() == []


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


def test_a_request_that_failed_is_made_again(server_address, model):
    with closing_browser() as browser:
        browser.open(f"{server_address}#sample?seed=5")
        browser.run(
            "const send = fetch; window.fetch = () => { window.fetch = send; return Promise.reject(Error('busy')); }"
        )
        press(browser, "Next")
        browser.wait("document.getElementById('error').textContent === 'busy'")
        press(browser, "Previous")
        browser.wait("document.getElementById('error').hidden")
        press(browser, "Next")
        browser.wait("document.querySelector('.grid canvas').dataset.drawn === 'seed 17'")
        assert_same_picture(browser.read_pictures(".grid canvas")[0], model["G"](map_seed(model, 17)))
        assert browser.read_errors() == []


def press(browser, text):
    browser.run(f"[...document.querySelectorAll('button')].find((b) => b.textContent === '{text}').click()")


def open_file(browser, path):
    from selenium.webdriver.common.by import By

    browser.driver.find_element(By.CSS_SELECTOR, "input[type=file]").send_keys(str(path))


def make_hostile_files(folder):
    """Write files that claim to be pictures, each with the message that it must give."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    header = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    script = b'<svg xmlns="http://www.w3.org/2000/svg"><script>document.title = "hit"</script></svg>'
    for name, content, message in (
        ("huge.png", header, "has 900 million pixels; the limit is 100"),
        ("text.png", b"hello", "text.png is not a picture"),
        ("script.svg", script, "script.svg is not a picture"),
        ("svg.png", script, "svg.png is not a picture"),
        ("torn.png", header[:16] + struct.pack(">II", 8, 8), "torn.png cannot be read as a picture"),
        ("empty.png", b"", "empty.png is not a picture"),
    ):
        (folder / name).write_bytes(content)
        yield folder / name, message


def test_files_that_are_not_pictures_are_refused(browser, address, tmp_path):
    browser.open(f"{address}#reconstruct")
    before = browser.read_pictures(".pair canvas")
    for path, message in make_hostile_files(tmp_path):
        open_file(browser, path)
        browser.wait(f"document.querySelector('.chooser [role=alert]').textContent.includes({json.dumps(message)})")
    browser.settle()
    assert all(map(np.array_equal, browser.read_pictures(".pair canvas"), before))
    assert browser.run("return document.title") != "hit"


def test_fragments_that_are_not_ours_are_ignored(browser, address):
    browser.open(f"{address}#constructor?x=1")
    for fragment in (
        "#nothing?x=1", "#constructor", "#sample?seed=-5&of=s9.9999", "#reconstruct?of=w!!",
        "#edit?move=a:b,:&of=e99999", "#mix?rows=,,,&share=x&at=77", "#interpolate?corners=%FF&x=Infinity",
    ):  # fmt: skip
        browser.follow(fragment)
        assert browser.run("return document.getElementById('error').hidden"), fragment
    assert browser.read_errors() == []


@pytest.mark.parametrize("width", [390, 1200])
def test_every_tab_fits_works_by_keyboard_and_describes_its_pictures(browser, address, width):
    from selenium.webdriver.common.keys import Keys

    size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": False}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.open(address)
    browser.run("document.getElementById('tab-sample').focus()")
    for tab in [*TABS[1:], TABS[0]]:
        browser.driver.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
        browser.wait(f"document.activeElement.id === 'tab-{tab}'")
        browser.settle()
        assert browser.run("return document.documentElement.scrollWidth") <= width, tab
        assert browser.run("return [...document.querySelectorAll('canvas')].every((c) => c.getAttribute('aria-label'))")
        unnamed = browser.run(
            """return [...document.querySelectorAll("#panel input")].filter((i) =>
            !i.getAttribute("aria-label") && !i.closest("label")).length"""
        )
        assert unnamed == 0
    assert browser.read_errors() == []


def test_no_request_leaves_the_machine(address):
    with closing_browser() as browser:
        browser.open(address)
        assert_tabs_have_no_errors(browser)
        requests = [url for url in browser.read_requests() if not url.startswith(("data:", "blob:", "about:"))]
        assert {url.partition("#")[0].rpartition("/")[2] for url in requests} >= {"", "F.onnx", "G.onnx", "E.onnx"}
        assert [url for url in requests if not url.startswith(address)] == []
        # The policy forbids what the page does not try.
        for target in ("https://example.org/", address.replace("127.0.0.1", "localhost")):
            refused = browser.call(
                f"const done = arguments[0]; fetch('{target}').then(() => done(false), () => done(true))"
            )
            assert refused
        assert all("Content Security Policy" in message for message in browser.read_errors())
        assert [url for url in browser.read_requests() if "example.org" in url] == []
