"""A headless Chromium for tests of pages, driven by selenium."""

import base64
import json
import shutil
from contextlib import contextmanager
from importlib.util import find_spec
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

needs_browser = pytest.mark.skipif(
    shutil.which("chromium") is None or shutil.which("chromedriver") is None or find_spec("selenium") is None,
    reason="needs Chromium, its driver and selenium: apt-get install chromium chromium-driver",
)
_FLAGS = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars", "--window-size=1200,900"]


@contextmanager
def closing_browser():
    """Start a browser, and end it after the context."""
    browser = Browser()
    try:
        yield browser
    finally:
        browser.driver.quit()


class Browser:
    """One Chromium, with what a test asks of it."""

    def __init__(self):
        from selenium import webdriver

        options = webdriver.ChromeOptions()
        for flag in _FLAGS:
            options.add_argument(flag)
        options.binary_location = shutil.which("chromium")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        service = webdriver.ChromeService(shutil.which("chromedriver"))
        self.driver = webdriver.Chrome(options=options, service=service)
        self.driver.set_script_timeout(120)

    def open(self, address):
        """Open a page anew, and wait until its model is loaded and its pictures are drawn."""
        self.driver.get("about:blank")
        self.driver.get(address)
        self.wait("'ready' in document.documentElement.dataset || !document.getElementById('error').hidden")
        self.settle()

    def follow(self, fragment):
        """Follow a link within the page, which is open already, and wait until its pictures are drawn."""
        self.run("location.hash = arguments[0]", fragment)
        self.settle()

    def wait(self, condition):
        """Wait until a JavaScript expression is true."""
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, 120, 0.05).until(lambda driver: driver.execute_script(f"return {condition}"))

    def settle(self):
        """Wait until all visible pictures are drawn, and none has changed for a moment."""
        self.call(
            """const done = arguments[0];
            const look = () => [...document.querySelectorAll("#panel canvas")].filter((c) => c.checkVisibility())
              .map((c) => c.dataset.drawn + c.toDataURL()).join();
            let last = "", same = 0;
            const timer = setInterval(() => {
              const now = look();
              const isBusy = document.querySelector("#panel[aria-busy=true]");
              same = now === last && !now.includes("undefined") && !isBusy ? same + 1 : 0;
              last = now;
              if (same === 6) { clearInterval(timer); done(); }
            }, 50);"""
        )

    def call(self, script):
        """Run a script, and return what it passes to its last argument."""
        return self.driver.execute_async_script(script)

    def run(self, script, *arguments):
        """Run a script, and return its value."""
        return self.driver.execute_script(script, *arguments)

    def read_pictures(self, selector):
        """Return the canvases of a selector as uint8 (H, W, 3) each."""
        urls = self.run(
            "return [...document.querySelectorAll(arguments[0])].map((c) => c.toDataURL('image/png'))", selector
        )
        return [np.asarray(Image.open(BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB")) for url in urls]

    def press(self, text):
        """Press the button with this text."""
        self.run("[...document.querySelectorAll('button')].find((b) => b.textContent === arguments[0]).click()", text)

    def open_file(self, path):
        """Open a picture on the page."""
        from selenium.webdriver.common.by import By

        self.driver.find_element(By.CSS_SELECTOR, "input[type=file]").send_keys(str(path))

    def set_slider(self, label, value):
        """Move a slider as a user does."""
        self.run(
            """const input = document.querySelector(`input[type=range][aria-label="${arguments[0]}"]`);
            input.value = arguments[1];
            input.dispatchEvent(new Event("input", { bubbles: true }));""",
            label,
            value,
        )
        self.settle()

    def find_unnamed(self):
        """Return the roles of controls and pictures that have no name for screen readers."""
        roles = [
            "button",
            "link",
            "image",
            "img",
            "tab",
            "slider",
            "spinbutton",
            "searchbox",
            "combobox",
            "textbox",
            "group",
            "dialog",
        ]
        nodes = self.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        shown = [(node["role"]["value"], node.get("name", {}).get("value")) for node in nodes if not node["ignored"]]
        return [role for role, name in shown if role in roles and not name]

    def read_errors(self):
        """Return the messages of the console so far that are warnings or errors, and forget them."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]

    def read_requests(self):
        """Return the addresses of all requests so far, and forget them."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
