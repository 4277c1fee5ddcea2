"""The schedules of the compact recipe, written by hand."""

import math

from alae_core import Config


def schedule(config: Config, step: int) -> tuple[float, float]:
    """Return the learning rate and the decay of averages at `step`."""
    shown, rate = step * config.batch_size, config.adam.learning_rate
    plan, halflife = config.schedule, min(config.average_halflife, config.average_warmup * step * config.batch_size)
    if plan is not None and plan.images is not None:
        progress = max(0.0, (shown / plan.images - plan.constant) / (1 - plan.constant))
        rate *= plan.rate_end + (1 - plan.rate_end) * (1 + math.cos(math.pi * min(1.0, progress))) / 2
    return rate, 0.5 ** (config.batch_size / halflife) if halflife else 0.0
