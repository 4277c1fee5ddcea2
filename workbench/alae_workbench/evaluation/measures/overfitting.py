"""Overfitting of the discriminator: whether D recognises its training images."""

import numpy as np

from alae_workbench.data.source import Source
from alae_workbench.evaluation.subject import Subject

#: minimum number of training images used without a limit
LEAST = 512


def discriminator_overfitting(subject: Subject) -> float:
    """Return the share of training images that D∘E takes for real (logit above 0) minus that of held-out images.

    0 is a D that treats both alike; 1 is a D that accepts only its training images, so that G learns to copy them
    (Karras et al. 2020, section 3, r_v). Images are not augmented. Uses the first images: without a limit all held-out
    ones, and as many training images but at least 512.

    Raises UnmeasurableError if the model was not trained on the images.
    """
    subject.require_own()
    count = subject.limit or max(len(subject.held_out), LEAST)
    return _real_rate(subject, subject.train, count) - _real_rate(subject, subject.held_out, count)


def _real_rate(subject: Subject, source: Source, count: int) -> float:
    model, view = subject.model, subject.view
    of_images = model.config.networks.discriminator == "images"
    logits = [
        model.discriminate(x if of_images else model.encode(x, view, labels=labels), view, labels=labels)
        for x, labels in subject.batches(source, min(count, len(source)))
    ]
    return float((np.concatenate(logits) > 0).mean())
