"""Figures of an ablation: a plot of its measures, and images of each variant."""

from pathlib import Path

import numpy as np

from alae_core import load_backend
from alae_core.backend_lookup import default_backend
from alae_workbench.ablation.study import Result
from alae_workbench.evaluation.registry import MEASURES


def draw_figures(result: Result, out: Path, *, backend: str | None = None, device: str | None = None) -> list[Path]:
    """Draw two figures beside the runs and return their paths.

    measures.png has a bar for each variant and a dot for each run; images.png has reconstructions and samples of each
    variant's first seed.
    """
    ablation, columns = result.ablation, result.columns
    variants, seed = list(ablation.variants), ablation.seeds[0]
    load_backend(backend or default_backend(), device, ablation.experiment(variants[0], seed).config.precision)
    from alae_workbench.figures.grid import compose_grid
    from alae_workbench.figures.plots import plot_bars
    from alae_workbench.figures.save import save_figure
    from alae_workbench.models.opening import open_model
    from alae_workbench.models.sampling import ROW, sample, untruncated_psi

    plot, grid = out / "measures.png", out / "images.png"
    labels = {name: f"{name.replace('_', ' ')} {MEASURES[name].arrow}".rstrip() for name in columns}
    caption = f"{ablation.base}, {len(ablation.seeds)} seeds: bars are means, dots are runs"
    save_figure(plot, plot_bars(result.numbers, labels, caption))
    sections: list[tuple[str, list[np.ndarray]]] = []
    for variant in variants:
        opened = open_model(out / variant / f"seed-{seed}", backend=backend, device=device)
        x, classes = opened.read_images(limit=ROW)
        model, rows, titles = opened.model, [], []
        if model.has("GE"):
            rows.append(model.reconstruct(x, labels=classes))
            titles.append("reconstructions")
        if model.has("GF"):
            rows.append(sample(model, ROW, psi=untruncated_psi(model)))
            titles.append("samples")
        sections.append((f"{variant}: {' and '.join(titles)}", rows))
    sections.insert(0, ("held-out images", [x]))
    caption = f"{ablation.base} · {opened.make_caption(f'seed {seed}').partition(' · ')[2]}"
    save_figure(grid, compose_grid(sections, caption))
    return [plot, grid]
