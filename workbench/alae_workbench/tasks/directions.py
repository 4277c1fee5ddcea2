"""`alae directions`: find directions in w that change one property of an image, and list those of a run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from alae_core import AlaeError
from alae_core._support.html import make_table
from alae_workbench.models.directions import (
    Direction,
    compute_angles,
    find_factorized_directions,
    find_principal_directions,
    load_directions,
    save_directions,
)
from alae_workbench.models.label_directions import fit_label_directions
from alae_workbench.models.opening import Images
from alae_workbench.models.option_checks import check_options
from alae_workbench.models.shipped import find_run_for_directions
from alae_workbench.storage.directory import Run
from alae_workbench.tasks.load import Model, load, locate


class Directions(tuple[Direction, ...]):
    """Directions in w."""

    def rows(self) -> list[dict[str, Any]]:
        """Return a flat dictionary for each direction: its quality, and the nearest other one in degrees."""
        angles = compute_angles(self) if self else ()
        rows = []
        for i, direction in enumerate(self):
            others = [(min(float(a), 180 - float(a)), self[j].name) for j, a in enumerate(angles[i]) if j != i]
            angle, nearest = min(others, default=(None, None))
            numbers = {"accuracy": direction.accuracy, "effect": direction.effect, "nearest": nearest, "angle": angle}
            rows.append({"direction": direction.name, **numbers, "method": direction.origin})
        return rows

    def __repr__(self) -> str:
        return f"<directions {', '.join(direction.name for direction in self)}>"

    def _repr_html_(self) -> str:
        return make_table(self.rows())


def fit(
    model: Model,
    data: Images = None,
    method: Literal["svm", "shift", "principal", "factorized"] = "svm",
    *,
    labels: str | None = None,
    save: bool = True,
    out: str | Path | None = None,
    tell: Callable[[str], None] = print,
) -> Directions:
    """Find directions in w, and save them in the run's directory or in another folder.

    Args:
        model: see `load`.
        data: labelled images for svm and shift: a SOURCE as for `train`, of which the training split is used or else
            all, or `Arrays(pixels, labels)`; by default the run's training images.
        method: "svm" finds the direction that tells each class or attribute from the others best; "shift" the
            difference of their means, for edits; "principal" components of w; "factorized" components of G's first
            style layers.
        labels: which labels of the images are used: a file, array or column, or `folders`; by default those of the
            run, or for other images the first that docs/data.md lists.
        save: whether to save them, for `edit` and `figure.traversal`.
        out: the folder to save them to; by default `directions` in the run's directory.
        tell: called with a line about classes and attributes for which no direction was found.

    Raises:
        ArgumentError: `data` or `labels` is given for a method without labels, or the method needs a style model.
        DataError: the images have no labels, too few of each, or all the same w.
        AlaeError: all w = F(z) are the same; or without `out`, as `find_run_for_directions`.
    """
    opened = load(model)
    check_options(opened.model.config, opened.view, method=method, data=data, labels=labels)
    place: Run | Path | None = None if out is None else Path(out)
    if place is None and save:
        place = find_run_for_directions(opened.checkpoint.path)
    if method == "principal":
        found = find_principal_directions(opened.model)
    elif method == "factorized":
        found = find_factorized_directions(opened.model)
    else:
        images = opened.load_data(labels=labels).train if data is None else opened.load_images(data, labels, "train")
        found = fit_label_directions(opened, images, method, tell)
    if place:
        save_directions(place, found)
    return Directions(found)


def read(model: Model = None) -> Directions:
    """Read the directions of a run, or of a folder of directions.

    Raises AlaeError if there are none, or a file is damaged.
    """
    path = locate(model)
    if (path / "directions.json").is_file():
        return Directions(load_directions(path))
    run = Run.find(path)
    found = load_directions(run)
    if not found:
        raise AlaeError(f"{run.path} has no directions yet: find some with `alae directions fit {run.path}`")
    return Directions(found)
