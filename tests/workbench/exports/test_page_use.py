"""The page in use: links, files that are not pictures, the keyboard, narrow screens; no request leaves the machine."""

import json
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
        for error, message in (
            ("Error('busy')", "busy"),
            (
                "TypeError('Failed to fetch')",
                "The server of this page does not answer. If it was stopped, start it again.",
            ),
        ):
            browser.run(
                f"const send = fetch; window.fetch = () => {{ window.fetch = send; return Promise.reject({error}); }}"
            )
            browser.press("Next")
            browser.wait(f"document.getElementById('error').textContent === {json.dumps(message)}")
            browser.press("Previous")
            browser.wait("document.getElementById('error').hidden")
            browser.settle()
        browser.press("Next")
        browser.wait("document.querySelector('.grid canvas').dataset.drawn === 'seed 17'")
        assert_same_picture(browser.read_pictures(".grid canvas")[0], model["G"](map_seed(model, 17)))
        assert browser.read_errors() == []


def test_fragments_that_are_not_ours_are_ignored(browser, address):
    browser.open(f"{address}#constructor?x=1")
    for fragment in (
        "#nothing?x=1", "#constructor", "#sample?seed=-5&of=s9.9999", "#reconstruct?of=w!!",
        "#edit?move=a:b,:&of=e99999", "#mix?rows=,,,&share=x&at=77", "#interpolate?corners=%FF&x=Infinity",
    ):  # fmt: skip
        browser.follow(fragment)
        assert browser.run("return document.getElementById('error').hidden"), fragment
    assert browser.read_errors() == []


def test_a_link_of_another_model_is_named(browser, address, details):
    def is_named(fragment):
        browser.follow(fragment)
        return browser.run("return !document.getElementById('notice').hidden")

    browser.open(address)
    name = next(iter(details["directions"]))
    for fragment in ("#edit?of=wAAAA", "#mix?rows=s1,e99999", "#interpolate?corners=s1,x", "#edit?move=age:1"):
        assert is_named(fragment), fragment
    for fragment in ("#sample", "#edit?of=s1.2", f"#edit?of=e1&move={name}:1", "#mix?rows=s1,e2,s3"):
        assert not is_named(fragment), fragment


#: delays each picture, as a model that is large for a browser does
SLOW = """
const send = Worker.prototype.postMessage;
globalThis.pictures = 0;
Worker.prototype.postMessage = function (message) {
  pictures += message.name === "G";
  setTimeout(() => send.call(this, message), message.name === "G" ? 600 : 0);
};
"""


def test_a_slow_model_is_named_and_draws_nothing_in_vain(address):
    with closing_browser() as browser:
        browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": SLOW})
        browser.driver.get(address)
        browser.wait("pictures === 4")
        text = browser.run("return document.getElementById('speed').textContent")
        assert "This model is large for a browser: each picture takes 0." in text
        assert browser.run("return document.getElementById('panel').getAttribute('aria-busy')") == "true"
        browser.press("Next")
        browser.press("Next")
        browser.wait("pictures >= 6")
        browser.run("document.getElementById('tab-reconstruct').click()")
        browser.settle()
        # Not the thirteen of each visit.
        assert browser.run("return pictures") < 12
        assert browser.run("return document.getElementById('panel').getAttribute('aria-busy')") == "false"
        assert browser.read_errors() == []


def test_the_page_answers_while_pictures_are_drawn(browser, address):
    browser.open(address)
    drawn = browser.call(
        """const done = arguments[0];
        const labels = () => [...document.querySelectorAll(".grid canvas")].map((c) => c.dataset.drawn);
        const before = labels();
        [...document.querySelectorAll("button")].find((b) => b.textContent === "Next").click();
        setTimeout(() => done(labels().filter((label, i) => label !== before[i]).length));"""
    )
    assert drawn < 12


@pytest.mark.parametrize("width", [320, 390, 1200])
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
        assert browser.find_unnamed() == [], tab
    assert browser.read_errors() == []


def test_controls_keep_the_focus(browser, address):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    browser.open(f"{address}#interpolate")
    browser.run("document.querySelector('.choice button:nth-of-type(2)').focus()")
    browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
    browser.wait("document.querySelectorAll('.corners .source').length === 3")
    assert browser.run("return document.activeElement.textContent") == "3"
    browser.run("document.querySelector('.corners button').focus()")
    browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
    browser.wait("document.querySelector('dialog')?.contains(document.activeElement)")
    browser.settle()
    assert browser.find_unnamed() == []
    # To the page: the active element may be the field for files.
    ActionChains(browser.driver).send_keys(Keys.ESCAPE).perform()
    browser.wait("!document.querySelector('dialog')")
    assert browser.run("return document.activeElement.title") == "corner 1: seed 0. Choose another"


#: records the addresses of workers
WORKERS = """
globalThis.workers = [];
globalThis.Worker = class extends Worker {
  constructor(url, options) {
    super(url, options);
    workers.push(url);
  }
};
"""


def test_no_request_leaves_the_machine(address):
    with closing_browser() as browser:
        browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WORKERS})
        browser.open(address)
        assert_tabs_have_no_errors(browser)
        requests = [url for url in browser.read_requests() if not url.startswith(("data:", "blob:", "about:"))]
        assert {url.partition("#")[0].rpartition("/")[2] for url in requests} >= {"", "export.json", "browser.js"}
        assert [url for url in requests if not url.startswith(address)] == []
        # The policy forbids other requests too.
        for target in ("https://example.org/", address.replace("127.0.0.1", "localhost")):
            refused = browser.call(
                f"const done = arguments[0]; fetch('{target}').then(() => done(false), () => done(true))"
            )
            assert refused
        # So does the worker that runs the model, whose requests are not recorded here, because it is from a blob.
        assert [url.partition(":")[0] for url in browser.run("return workers")] == ["blob"]
        worker = (
            f"fetch('{address.replace('127.0.0.1', 'localhost')}').then(() => postMessage(0), () => postMessage(1))"
        )
        refused = browser.call(
            f"""const done = arguments[0];
            const blob = new Blob([`{worker}`], {{ type: "text/javascript" }});
            new Worker(URL.createObjectURL(blob), {{ type: "module" }}).onmessage = (message) => done(message.data)"""
        )
        assert refused == 1
        assert all("Content Security Policy" in message for message in browser.read_errors())
        assert [url for url in browser.read_requests() if "example.org" in url] == []
