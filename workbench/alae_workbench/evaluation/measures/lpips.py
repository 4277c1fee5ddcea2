"""How unlike their originals reconstructions look to people: LPIPS, by AlexNet and by VGG16."""

from collections.abc import Mapping
from typing import get_args

import numpy as np

from alae_core import Alae, View
from alae_workbench.data.source import DataSet
from alae_workbench.evaluation.cache import Keep
from alae_workbench.evaluation.pretrained.lpips_networks import Trunk, lpips
from alae_workbench.evaluation.registry import measures, reconstructed


def perceived(
    trunk: Trunk, alae: Alae, data: DataSet, view: View | None = None, most: int | None = None, keep: Keep | None = None
) -> float:
    """The mean LPIPS of held-out images and their reconstructions, cut to [−1, 1]; without noise.

    Raises UnmeasurableError as `pretrained.lpips.lpips` does.
    """
    source, view, keep, found = data.held_out, view or alae.view, keep or Keep(), []
    distance = lpips(trunk, keep, *alae.image_shape(view)[:2])
    with keep.tell(min(most or len(source), len(source)), "reconstructions") as tell:
        for x, again in reconstructed(alae, source, view, most):
            found.append(distance(x, np.clip(again, -1, 1)))
            tell(len(x))
    return float(np.concatenate(found).mean())


def _enter(trunk: Trunk) -> None:
    name = f"lpips_{trunk}"

    @measures({name: (f"LPIPS of reconstructions, {trunk}, held-out images", "lower")}, networks="GE", when="named")
    def of_one(alae: Alae, data: DataSet, view: View | None, most: int | None, keep: Keep) -> Mapping[str, float]:
        return {name: perceived(trunk, alae, data, view, most, keep)}


for _trunk in get_args(Trunk):
    _enter(_trunk)
