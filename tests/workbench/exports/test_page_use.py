"""The page in use: links, files that are not pictures, the keyboard, narrow screens; no request leaves the machine."""

import json
import struct
import zlib
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image

from tests.helpers.browser import closing_browser, needs_browser
from tests.helpers.pages import TABS, assert_same_picture, assert_tabs_have_no_errors, map_seed, read_details

pytestmark = [
    pytest.mark.slow,
    pytest.mark.framework,
    needs_browser,
    pytest.mark.skipif(find_spec("onnxruntime") is None, reason="the extra [export] is not installed"),
]


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
    assert read_details(tiny_sites / "style/site")["trainingImages"] is None


def test_a_link_opens_the_same_pictures(browser, address, tmp_path, details):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)).save(tmp_path / "mine.png")
    browser.open(f"{address}#edit")
    browser.press("Choose picture")
    browser.open_file(tmp_path / "mine.png")
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


def test_a_request_that_failed_is_made_again(server_address, model):
    with closing_browser() as browser:
        browser.open(f"{server_address}#sample?seed=5")
        browser.run(
            "const send = fetch; window.fetch = () => { window.fetch = send; return Promise.reject(Error('busy')); }"
        )
        browser.press("Next")
        browser.wait("document.getElementById('error').textContent === 'busy'")
        browser.press("Previous")
        browser.wait("document.getElementById('error').hidden")
        browser.press("Next")
        browser.wait("document.querySelector('.grid canvas').dataset.drawn === 'seed 17'")
        assert_same_picture(browser.read_pictures(".grid canvas")[0], model["G"](map_seed(model, 17)))
        assert browser.read_errors() == []


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
        browser.open_file(path)
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
