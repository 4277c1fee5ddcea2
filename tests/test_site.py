"""The documentation site builds without a warning, documents all public names and commands, and runs a model."""

import subprocess
import sys

import pytest

from alae_cli.app import app
from tests.conftest import REPOSITORY
from tests.helpers.browser import closing_browser, needs_browser
from tests.helpers.pages import TABS, copy_runtime_or_skip, serving

pytest.importorskip("zensical", reason="the extra [docs] is not installed")
pytest.importorskip("mkdocstrings_handlers.python", reason="the extra [docs] is not installed")

BUILD = REPOSITORY / "docs" / "site" / "build.py"


@pytest.fixture(scope="module")
def build():
    """The functions of `docs/site/build.py`."""
    sys.path.insert(0, str(BUILD.parent))
    try:
        yield __import__("build")
    finally:
        sys.path.remove(str(BUILD.parent))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A built site."""
    pytest.importorskip("onnxruntime", reason="the extra [export] is not installed")
    out = tmp_path_factory.mktemp("site") / "site"
    runtime = copy_runtime_or_skip(out.parent / "runtime")
    command = [sys.executable, BUILD, out, "--runtime", runtime]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.slow
def test_every_public_name_is_documented(site, build):
    for package in build.PACKAGES:
        page = (site / "reference" / package / "index.html").read_text("utf-8")
        names = build.public_names(package)
        assert len(names) > 20
        assert [name for name in names if f'id="{name}"' not in page] == []


@pytest.mark.slow
def test_every_command_is_documented(site):
    page = (site / "reference" / "commands" / "index.html").read_text("utf-8")
    names = [command.name or command.callback.__name__.replace("_", "-") for command in app.registered_commands]
    names += [group.typer_instance.info.name for group in app.registered_groups]
    assert "conform" in names
    assert [name for name in names if f"alae {name}" not in page] == []
    # Typer shortens sentences in lists of commands.
    assert "..." not in page.partition("<h2")[0].partition("Commands</strong>")[2]


@pytest.mark.slow
def test_pages_load_nothing_from_other_hosts(site):
    for page in (site / "index.html", site / "paper" / "index.html"):
        text = page.read_text("utf-8")
        assert 'src="http' not in text
        assert 'rel="stylesheet" href="http' not in text


@pytest.mark.slow
@needs_browser
def test_a_visitor_finds_the_page_that_runs_the_shipped_model(site):
    with serving(site) as address, closing_browser() as browser:
        for path, link in (("", ".md-button"), ("data/", ".md-nav__link[href$='try/index.html']")):
            browser.driver.get(address + path)
            browser.run("document.querySelector(arguments[0]).click()", link)
            browser.wait("'ready' in document.documentElement.dataset")
            browser.settle()
            assert browser.run("return location.pathname") == "/try/index.html"
            pictures = browser.read_pictures(".grid canvas")
            assert len({picture.tobytes() for picture in pictures}) == 12
        for tab in TABS:
            browser.run(f"document.getElementById('tab-{tab}').click()")
            browser.wait(f"location.hash.startsWith('#{tab}')")
            browser.settle()
            assert browser.run("return document.getElementById('error').hidden"), tab
        browser.run("document.getElementById('back').click()")
        browser.wait("location.pathname === '/' && document.readyState === 'complete'")
        assert browser.read_errors() == []
        assert [
            url for url in browser.read_requests() if not url.startswith((address, "data:", "about:", "blob:"))
        ] == []


def test_links_lead_to_pages_of_the_site(build, tmp_path):
    file = REPOSITORY / "docs" / "data.md"
    places = {file: build.Path("data.md"), REPOSITORY / "README.md": build.Path("index.md")}
    text = "[a](../README.md) [b](#part) [c](https://x.org) [d](../alae_core/walk.py) ![e](images/avatars.png)"
    expected = "[a](index.md) [b](#part) [c](https://x.org) [d](source/alae_core/walk.py.md) ![e](images/avatars.png)"
    assert build.rewrite_links(text, file, places) == expected
    assert build.Path("source/alae_core/walk.py.md") in places.values()
    with pytest.raises(SystemExit, match=r"docs/data.md links to nowhere.md, which does not exist"):
        build.rewrite_links("[f](nowhere.md)", file, places)


def test_a_page_outside_the_navigation_is_named(build, tmp_path):
    (tmp_path / "new.md").touch()
    (tmp_path / "data.md").touch()
    build.require_in_navigation(tmp_path, "- Data: data.md\n- new.md")
    with pytest.raises(SystemExit, match=r"has no entry in `nav` for new.md$"):
        build.require_in_navigation(tmp_path, "- Data: data.md")
