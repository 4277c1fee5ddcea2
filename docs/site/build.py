"""Build the documentation site.

    python docs/site/build.py [OUT] [--runtime PATH]

Collects pages in a temporary folder, from which Zensical makes the site (`mkdocs.yml`): the files in docs/, the README
as the first page, the commands' help, the docstrings of all public names, and a page for each source file that a page
links to. So the site has no link to a file that is not in it. A broken link, or a page that is not in the navigation,
ends the build. The folder `try` of the site is the page that runs the shipped model in the browser (docs/demo.md).
Needs the extras [docs] and [export]; OUT is `site` by default.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

SITE = Path(__file__).parent
REPOSITORY = SITE.parent.parent
DOCS, README = REPOSITORY / "docs", REPOSITORY / "README.md"
#: packages whose public names are documented; `__init__.pyi` lists them
PACKAGES = ("alae_core", "alae_workbench")
#: links of Markdown, and pictures
LINK = re.compile(r"(\]\()([^)\s]+)(\))")
#: the folder of the page that runs the shipped model, a link to it on the first page, and its link back
TRY = "try"
TRY_LINK = f"[Try the shipped model in your browser]({TRY}/index.html){{ .md-button .md-button--primary }}\n\n"
BACK_LINK = '<a id="back" href="../">← alae</a>'
LANGUAGES = {
    ".py": "python",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".json": "json",
    ".sh": "sh",
    ".sbatch": "sh",
    ".toml": "toml",
}


def main(out: Path, runtime: Path | None = None) -> None:
    """Write the site to `out`; `runtime` is ONNX Runtime Web, as for `alae export --runtime`.

    Raises SystemExit if a page is not in the navigation, Zensical finds a mistake, or the model cannot be exported.
    """
    with TemporaryDirectory() as directory:
        work = Path(directory)
        pages = work / "pages"
        collect(pages)
        export_shipped(pages / TRY, runtime)
        shutil.copy(SITE / "mkdocs.yml", work)
        require_in_navigation(pages, (SITE / "mkdocs.yml").read_text("utf-8"))
        command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean", "--config-file", "mkdocs.yml"]
        environment = {**make_environment(), "NO_COLOR": "1"}
        done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{done.stdout}{done.stderr}\nthe site was not built")
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(work / "site", out)


def collect(pages: Path) -> None:
    """Write all pages to the folder `pages`."""
    shutil.copytree(DOCS / "images", pages / "images")
    files = {README: "index.md"} | {file: file.name for file in sorted(DOCS.glob("*.md"))}
    files |= {REPOSITORY / name: name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")}
    places = {file: Path(name) for file, name in files.items()}
    done: set[Path] = set()
    while remaining := places.keys() - done:
        # A page can add the files that it links to.
        for file in sorted(remaining):
            page = pages / places[file]
            page.parent.mkdir(parents=True, exist_ok=True)
            text = file.read_text("utf-8") if file.suffix == ".md" else show_source(file)
            text = rewrite_links(text, file, places)
            page.write_text(add_try_link(text) if file == README else text, "utf-8")
            done.add(file)
    (pages / "reference").mkdir()
    (pages / "reference" / "commands.md").write_text(describe_commands(), "utf-8")
    for package in PACKAGES:
        (pages / "reference" / f"{package}.md").write_text(describe_package(package), "utf-8")


def add_try_link(text: str) -> str:
    """Return the first page with a link to the page in the browser, before its first section."""
    start, heading, rest = text.partition("\n## ")
    return f"{start}\n{TRY_LINK}{heading.lstrip()}{rest}"


def export_shipped(out: Path, runtime: Path | None) -> None:
    """Write the page that runs the shipped model in the browser to the new folder `out`, with a link to the site."""
    command = [sys.executable, "-m", "alae_cli", "export", "shipped", str(out), "--format", "web"]
    # The export chooses the framework.
    environment = {key: value for key, value in make_environment().items() if key != "KERAS_BACKEND"}
    options = [] if runtime is None else ["--runtime", str(runtime)]
    done = subprocess.run([*command, *options], env=environment, stdout=subprocess.DEVNULL, check=False)
    if done.returncode:
        sys.exit("the shipped model was not exported")
    page = out / "index.html"
    page.write_text(page.read_text("utf-8").replace("<header>", f"<header>\n      {BACK_LINK}", 1), "utf-8")


def make_environment() -> dict[str, str]:
    """Return the environment of processes that find the packages as this one does."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def rewrite_links(text: str, file: Path, places: dict[Path, Path]) -> str:
    """Return the text of a file's page with links to other pages. Files without a page get one, in `places`."""

    def rewrite(match: re.Match[str]) -> str:
        target, _, part = match[2].partition("#")
        if not target or re.match(r"\w+:", target):
            return match[0]
        found = (file.parent / target).resolve()
        if not found.exists():
            sys.exit(f"{file.relative_to(REPOSITORY)} links to {target}, which does not exist")
        if found.is_relative_to(DOCS / "images"):
            to = found.relative_to(DOCS)
        else:
            to = places.setdefault(found, page_of(found))
        link = os.path.relpath(to, places[file].parent) + (f"#{part}" if part else "")
        return f"{match[1]}{link}{match[3]}"

    # Code in source files may look like a link.
    return LINK.sub(rewrite, text) if file.suffix == ".md" else text


def page_of(file: Path) -> Path:
    """Return the page of a source file or folder."""
    return Path("source", f"{file.relative_to(REPOSITORY)}.md")


def show_source(file: Path) -> str:
    """Return a page with the content of a file, or of each file in a folder."""
    parts = [f"# {file.relative_to(REPOSITORY)}\n"]
    if file.is_dir():
        for each in sorted(path for path in file.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
            parts += [f"## {each.relative_to(file)}\n", fence(each)]
    elif file.suffix == ".ipynb":
        # The pictures in a notebook would be larger than the rest of the site.
        parts += ["The notebook is made from this script:\n", fence(file.with_suffix(".py"))]
    else:
        parts.append(fence(file))
    return "\n".join(parts)


def fence(file: Path) -> str:
    """Return a file's text as a block of code."""
    return f"`````{LANGUAGES.get(file.suffix, 'text')}\n{file.read_text('utf-8').rstrip()}\n`````\n"


def describe_commands() -> str:
    """Return a page with the help of every command."""
    with TemporaryDirectory() as directory:
        page = Path(directory, "commands.md")
        command = [sys.executable, "-m", "typer", "alae_cli.app", "utils", "docs", "--name", "alae", "--output", page]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return complete_lists(page.read_text("utf-8")).replace("# `alae`", "# Commands", 1)


def complete_lists(text: str) -> str:
    """Return the help of commands with links in the lists of commands, and the whole sentences that Typer shortens."""
    summaries = dict(re.findall(r"^#+ `(.+)`\n\n(.+?)(?:(?<=\.) |\.?$)", text, re.MULTILINE))
    group = ""

    def complete(match: re.Match[str]) -> str:
        nonlocal group
        if match["group"]:
            group = match["group"]
            return match[0]
        command = f"{group} {match['name']}"
        return f"* [`{match['name']}`](#{command.replace(' ', '-')}): {summaries[command].removesuffix('.')}."

    heading, item = r"^#+ `(?P<group>.+)`$", r"^\* `(?P<name>[a-z][a-z-]*)`: .+$"
    return re.sub(f"{heading}|{item}", complete, text, flags=re.MULTILINE)


def describe_package(package: str) -> str:
    """Return a page that documents every public name of a package."""
    names = "".join(f"\n::: {name}\n" for name in public_names(package))
    return f"# {package}\n\nEvery name here is imported from `{package}`.\n{names}"


def public_names(package: str) -> list[str]:
    """Return where each public name of a package is defined, such as "alae_core.model.Alae"."""
    text = Path(import_module(package).__file__ or "").with_suffix(".pyi").read_text("utf-8")
    found = re.findall(r"^from (\S+) import (\w+) as \w+$", text, re.MULTILINE)
    return [f"{module}.{name}" for module, name in found if "._support" not in module]


def require_in_navigation(pages: Path, config: str) -> None:
    """Raise SystemExit if a page, other than those of source files, is missing in the navigation."""
    missing = [
        path.name
        for path in sorted(pages.glob("*.md"))
        if not re.search(rf"(- |: ){re.escape(path.name)}$", config, re.MULTILINE)
    ]
    if missing:
        sys.exit(f"docs/site/mkdocs.yml has no entry in `nav` for {', '.join(missing)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, nargs="?", default=Path("site"), help="the site")
    parser.add_argument(
        "--runtime", type=Path, help="ONNX Runtime Web, as for `alae export`; by default from the cache"
    )
    main(**vars(parser.parse_args()))
