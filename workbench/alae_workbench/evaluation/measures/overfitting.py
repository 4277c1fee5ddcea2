"""Whether D has learnt its training images by heart: how many of them it takes for real, beside images it never saw."""

import numpy as np

from alae_core import Alae, View
from alae_workbench.data.source import DataSet, Source
from alae_workbench.evaluation.registry import measure, parts_seen


@measure("images that D takes for real, training less held-out ones", networks="ED", when="checkpoint")
def learnt_by_heart(alae: Alae, data: DataSet, view: View | None = None, most: int | None = None) -> float:
    """The share of training images that D∘E takes for real (a logit above 0), less that of held-out images.

    0 is a D that treats both alike; 1 is one that knows its training images and nothing else, from which G learns to
    repeat them (Karras et al. 2020, section 3, r_v). Images are looked at as they are, whatever augmentation does.

    Args:
        alae: the model.
        data: the first images of each are looked at.
        view: where networks that grow are looked at.
        most: how many of each at the most; by default all held-out images, and as many for training, or 512.
    """
    view, most = view or alae.view, most or max(len(data.held_out), 512)
    return _taken_for_real(alae, data.train, view, most) - _taken_for_real(alae, data.held_out, view, most)


def _taken_for_real(alae: Alae, source: Source, view: View | None, most: int) -> float:
    by_images = alae.config.networks.discriminator == "images"
    logits = [
        alae.discriminate(x if by_images else alae.encode(x, view, labels=labels), view)
        for x, labels in parts_seen(alae, source, view, most)
    ]
    return float((np.concatenate(logits) > 0).mean())
