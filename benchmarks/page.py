"""Measure the page of `alae demo` in a headless Chromium: the time until it is ready, and of a picture by G and E.

    python -m benchmarks.page [--models shipped digits-mlp …] [--threads 1] [--rounds 9] [--quick]

A model is `shipped`, a run, or a preset with initial weights. Each row has the median of the rounds, the time to reach
on one idle core, and their ratio. Needs the extras [export] and [dev], and Debian's packages chromium and
chromium-driver.
"""

import argparse
import os
import statistics
from pathlib import Path
from tempfile import TemporaryDirectory

# The export to ONNX is PyTorch's.
os.environ["KERAS_BACKEND"] = "torch"

import alae_core as alae
from alae_core.checkpoint_writing import write_checkpoint
from alae_core.config_data import preset_names
from alae_core.state import initial_state
from alae_workbench.exports.export import open_for_export
from alae_workbench.exports.page import export_page
from alae_workbench.models.shipped import locate_model
from tests.helpers.browser import Browser, closing_browser
from tests.helpers.pages import serving

#: milliseconds to reach: until the page of a small model is ready, and for a picture by the name of the model
READY_LIMIT = 2000
PICTURE_LIMITS = {"shipped": 60, "digits-mlp": 5, "digits-conv": 5, "digits-style": 5}
_TIME = """
const done = arguments[0];
const model = await (await import("/js/model.js")).loadModel("model/");
const w = await model.latents("s0");
const picture = await model.generate(w);
await model.encode(picture);
const times = { G: [], E: [] };
for (let i = 0; i < ROUNDS; i += 1) {
  for (const [name, compute] of [["G", () => model.generate(w)], ["E", () => model.encode(picture)]]) {
    const begun = performance.now();
    await compute();
    times[name].push(performance.now() - begun);
  }
}
done(times);
"""


def main() -> None:
    """Measure every model, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=list(PICTURE_LIMITS), help="`shipped`, runs or presets")
    parser.add_argument("--threads", type=int, default=1, help="cores that the page may use (default 1)")
    parser.add_argument(
        "--rounds", type=int, default=9, help="pictures by each network; the page is opened a third as often"
    )
    parser.add_argument("--quick", action="store_true", help="use the smallest sizes, to check that it runs")
    options = parser.parse_args()
    if options.quick:
        options.models, options.rounds = ["digits-mlp"], 1
    print(f"{'model':20}{'MB':>8}  {'':8}{'median ms':>10}{'limit':>8}{'ratio':>8}")
    for model in options.models:
        with TemporaryDirectory() as directory:
            site = write_page(model, Path(directory))
            size = sum(file.stat().st_size for file in site.rglob("*") if file.is_file()) / 1e6
            for name, milliseconds in measure(site, options.threads, options.rounds).items():
                limit = READY_LIMIT if name == "ready" else PICTURE_LIMITS.get(model)
                judged = f"{limit:8}{milliseconds / limit:8.2f}" if limit and model in PICTURE_LIMITS else ""
                print(f"{model:20}{size:8.1f}  {name:8}{milliseconds:10.1f}{judged}", flush=True)


def write_page(model: str, folder: Path) -> Path:
    """Export the page of a model, and return its folder."""
    path, lod = locate_model(Path(model)), None
    if model in preset_names():
        config = alae.load_config(model)
        network = alae.build(config)
        state = initial_state(config, network.updates, network.weights(), network.mean_of_w())
        path, backend = folder / "run", alae.load_backend("torch", "cpu", "float32")
        training = {"data": "digits", "held_out": 30}
        write_checkpoint(path, state, config, author=backend, run={"training": training})
        # Training has not reached the finest level.
        lod = None if network.view is None else len(config.growth.levels) - 1
    export_page(open_for_export(path, "onnx", lod=lod), folder / "site")
    return folder / "site"


def measure(site: Path, threads: int, rounds: int) -> dict[str, float]:
    """Return the median milliseconds until the page is ready, and of a picture by G and by E."""
    with serving(site) as address, closing_browser() as browser:
        cores = {"hardwareConcurrency": threads}
        browser.driver.execute_cdp_cmd("Emulation.setHardwareConcurrencyOverride", cores)
        ready = [_visit(browser, address) for _ in range(max(1, rounds // 3))]
        # `await` needs a function.
        script = f"(async (arguments) => {{ {_TIME.replace('ROUNDS', str(rounds))} }})([arguments[0]])"
        times = browser.call(script)
    return {"ready": statistics.median(ready)} | {name: statistics.median(each) for name, each in times.items()}


def _visit(browser: Browser, address: str) -> float:
    browser.open(address)
    return float(browser.run("return document.documentElement.dataset.ready"))


if __name__ == "__main__":
    main()
