"""Prepare sets, and interrupt their preparation."""

import pytest

from alae_workbench.data.prepared.preparation import plan_preparation
from alae_workbench.data.prepared.reading import open_set
from alae_workbench.data.prepared.writing import write_set

#: the shape of the images of the fixture `photos`
SHAPE = (16, 16, 3)


def prepare(source, out, **options):
    """Prepare a set, and return its images."""
    write_set(plan_preparation(str(source), out), **options)
    return open_set(out).images


def interrupt(plan, after, **options):
    """Begin a preparation, and interrupt it after at least `after` pictures."""
    counts = []

    def progress(count):
        counts.append(count)
        if sum(counts) >= after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_set(plan, progress=progress, **options)
