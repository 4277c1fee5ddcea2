"""A verdict on training images before a run: whether they are enough, what to expect, and which settings to change."""

from collections.abc import Iterator

from alae_core.growth import position
from alae_core.lookup import find_algorithm
from alae_workbench.evaluation.registry import LEAST_SHARE
from alae_workbench.runs.settings import Experiment

#: training images below which a model reproduces them rather than learning to make new ones
FEW = 1_000
#: training images from which more of them help less than a longer training or a larger model; published models have
#: 30,000 and more
ENOUGH = 10_000
#: number of showings of each training image from which augmentation helps; see docs/few-images.md
OFTEN = 50
#: the probability of augmentation that docs/few-images.md recommends
AUGMENT_P = 0.15


def needs_augmentation(train: int, shown: int) -> bool:
    """Whether D would memorise `train` images in a training that shows `shown` images in all."""
    return shown >= OFTEN * train


def judge_data(experiment: Experiment, train: int, held_out: int) -> Iterator[str]:
    """Yield lines: a verdict on the number of images, then the changes of settings that help.

    Args:
        experiment: the run.
        train, held_out: numbers of training images and held-out images.
    """
    config = experiment.config
    shown = position(config, experiment.steps).shown
    often = f"each is shown {shown / train:,.0f} times" if shown >= 2 * train else "few of them are shown twice"
    if train < FEW:
        yield (
            f"verdict: {train:,} training images are too few to learn from; such a model needs {FEW:,}, better "
            f"{ENOUGH:,}. Expect it to reproduce these ({often}), and other images as blurs or as one of these"
        )
    elif train < ENOUGH:
        yield (
            f"verdict: {train:,} training images are enough to try ({often}). Expect recognisable images without fine "
            f"detail; better models need {ENOUGH:,}"
        )
    else:
        yield f"verdict: {train:,} training images are enough ({often})"
    yield from (f"  {advice}" for advice in _advise(experiment, train, held_out, shown))


def _advise(experiment: Experiment, train: int, held_out: int, shown: int) -> Iterator[str]:
    config = experiment.config
    if "D" in find_algorithm(config.algorithm, config.plugins).networks and needs_augmentation(train, shown):
        if config.augment is None:
            yield (
                f"D will memorise them, because it sees each {OFTEN} times or more without augmentation: "
                f"--set 'augment={{p: {AUGMENT_P}}}'"
            )
        else:
            yield "augmentation slows D down in memorising them; look at `overfitting` in the table at the end"
    if train < FEW:
        yield "more images help most, even of similar subjects"
        if min(config.image[:2]) > 32:
            yield f"smaller images need fewer of them: --size 32 of `alae new`, instead of {config.image[0]}"
        if experiment.training.origin is None:
            yield "a run from trained weights needs fewer of them: --from RUN, or --from shipped (docs/fine-tuning.md)"
    elif shown < 5 * train:
        yield "the training is short for so many images: raise --steps, or --images"
    if held_out < LEAST_SHARE:
        yield (
            f"{held_out:,} held-out images are too few for exact measures: {LEAST_SHARE} or more are better "
            "(training.held_out)"
        )
