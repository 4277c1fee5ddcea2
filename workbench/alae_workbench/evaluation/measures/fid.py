"""What papers report in Inception's features: FID, KID, precision and recall of 50,000 samples, each named for how.

The networks and the images that they see are those of `pretrained.inception`; the real images are the training images,
50,000 at the most; both are bytes. What `--count` makes fewer of is called by the names of other spaces, `fd_…`.
"""

from collections.abc import Callable, Mapping
from typing import get_args

import numpy as np

from alae_core import Alae, View
from alae_workbench.data.source import DataSet
from alae_workbench.evaluation.cache import Keep
from alae_workbench.evaluation.distances import frechet, kernel_distance_of_subsets, precision_recall
from alae_workbench.evaluation.measures.samples import (
    enter,
    features_of_samples,
    features_of_source,
    frechet_of_reconstructions,
)
from alae_workbench.evaluation.pretrained.inception import InceptionV3, Resize
from alae_workbench.evaluation.registry import Better, UnmeasurableError, measures
from alae_workbench.evaluation.spaces import Space

#: samples, which these names promise, and real images at the most
COUNT = 50_000
_NAME = f"{COUNT // 1000}k"
#: of the features of real images and of samples, the numbers that names begin with
Distance = Callable[[np.ndarray, np.ndarray], Mapping[str, float]]


def compared(
    space: Space,
    distance: Distance,
    alae: Alae,
    data: DataSet,
    view: View | None = None,
    most: int | None = None,
    keep: Keep | None = None,
) -> Mapping[str, float]:
    """Training images and 50,000 samples G(F(z)), not truncated, by a function of their features.

    Raises UnmeasurableError where fewer samples are wanted than the name says.
    """
    if most is not None and most < COUNT:
        raise UnmeasurableError(
            f"by its name it is of {COUNT:,} samples, not of {most:,}: omit --count, or ask for fd_{space.name}"
        )
    view, keep = view or alae.view, keep or Keep()
    real = features_of_source(space, data.train, alae, view, min(COUNT, len(data.train)), keep)
    return distance(real, features_of_samples(space, alae, view, COUNT, keep))


def _enter(resize: Resize) -> None:
    space, group = InceptionV3(resize), __name__.rpartition(".")[2]
    how = f"{COUNT:,} samples and training images, Inception v3, {resize} resize"

    def several(labels: Mapping[str, tuple[str, Better]], distance: Distance) -> None:
        names = {f"{name}{_NAME}_{resize}": (f"{label}, {how}", better) for name, (label, better) in labels.items()}

        @measures(names, networks="GF", when="named", group=group)
        def of_samples(
            alae: Alae, data: DataSet, view: View | None, most: int | None, keep: Keep
        ) -> Mapping[str, float]:
            found = compared(space, distance, alae, data, view, most, keep)
            return {f"{name}{_NAME}_{resize}": value for name, value in found.items()}

    several({"fid": ("FID", "lower")}, lambda real, other: {"fid": frechet(real, other)})
    several({"kid": ("KID", "lower")}, lambda real, other: {"kid": kernel_distance_of_subsets(real, other)})
    several(
        {"precision": ("precision", "higher"), "recall": ("recall", "higher")},
        lambda real, other: dict(zip(("precision", "recall"), precision_recall(real, other), strict=True)),
    )

    @measures(
        {f"rfid_{resize}": (f"FID of reconstructions and held-out images, Inception v3, {resize} resize", "lower")},
        networks="GE",
        when="named",
        group=group,
    )
    def of_reconstructions(
        alae: Alae, data: DataSet, view: View | None, most: int | None, keep: Keep
    ) -> Mapping[str, float]:
        count = min(most or COUNT, len(data.held_out))
        return {f"rfid_{resize}": frechet_of_reconstructions(space, alae, data, view or alae.view, count, keep)}

    enter(space, group)


for _resize in get_args(Resize):
    _enter(_resize)
