"""One training step, defined once for every framework: running mean and p → gradient → Adam → averages.

Means over a batch are computed in one pass, or in several passes over equal parts of it, and then averaged over
devices.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol, TypeVar

import keras
from keras import ops

from alae_core.augment import adapt_p
from alae_core.groups import Adam
from alae_core.growth import Rates, Stage
from alae_core.model import Alae
from alae_core.networks.family import Family
from alae_core.optimizer import average_step
from alae_core.passes import count_passes
from alae_core.updates import Batch, Update, map_to_w

Tensor = TypeVar("Tensor")


class Mechanics(Protocol[Tensor]):
    """The operations that a framework provides for a step.

    `tensors` is the state of a run by the names of `alae_core.state`. Methods that change a value write it into the
    tensor of that name, or replace the tensor.

    `microbatch` is the number of images in one pass; None computes each update in one pass.
    """

    model: Alae
    microbatch: int | None

    def evaluate(
        self, tensors: dict[str, Tensor], fn: Callable[[Family, Batch], Tensor], update: Update, batch: Batch
    ) -> Tensor:
        """Evaluate fn(networks, batch) at the weights in `tensors`, without gradients."""

    def gradient(self, tensors: dict[str, Tensor], update: Update, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the update's loss at the weights in `tensors`, and its gradient by each weight it trains, by name."""

    def add_passes(self, compute: Callable[[Any], dict[str, Tensor]], passes: int) -> dict[str, Tensor]:
        """Return the sum of compute(k) over k = 0 … passes − 1, computed one after the other to reuse memory.

        `k` is a number, or a scalar tensor in a compiled loop.
        """

    def compute(self, fn: Callable[[], dict[str, Tensor]]) -> Mapping[str, Tensor]:
        """Return `fn()`, which computes means from `tensors`; a framework may compile it."""

    def change(self, fn: Callable[[], None]) -> None:
        """Call `fn`, which writes to `tensors`: at the latest before the next `compute`, or at the end of the step."""

    def reduce(self, means: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Turn means over this device's part of a batch into means over the whole batch."""

    def apply(self, tensors: dict[str, Tensor], choice: Adam, adam: str, gradients: Mapping[str, Tensor]) -> None:
        """Do one step of the Adam called `adam` for one network, given the gradients of its weights.

        If a schedule changes it, `choice.learning_rate` is a tensor where the step is compiled.
        """

    def average(self, tensors: dict[str, Tensor], decay: Any) -> None:
        """Update every averaged weight by `alae_core.optimizer.average_step`; `decay` is a number or a tensor."""

    def write(self, tensors: dict[str, Tensor], values: Mapping[str, Tensor]) -> None:
        """Store new values in `tensors`."""


def walk(
    mechanics: Mechanics[Tensor], tensors: dict[str, Tensor], batches: Mapping[str, Batch], stage: Stage, rates: Rates
) -> dict[str, Tensor]:
    """Do one training step: each update with a batch, in order, at the weights that the previous update produced.

    `rates` has Python numbers, or scalar tensors where the step is compiled. Returns the losses by update, as scalars
    on the device.
    """
    model, losses, adam_choice = mechanics.model, {}, stage.adam
    if rates.rate is not None:
        # Without validation, which would refuse a tensor.
        adam_choice = adam_choice.model_copy(update={"learning_rate": adam_choice.learning_rate * rates.rate})

    def evaluate(name: str, fn: Callable[[Family, Batch], Tensor], update: Update, batch: Batch) -> Tensor:
        return _mean(mechanics, lambda part: {name: mechanics.evaluate(tensors, fn, update, part)}, batch)[name]

    def differentiate(update: Update, part: Batch) -> dict[str, Tensor]:
        loss, gradients = mechanics.gradient(tensors, update, part)
        return {"loss": loss, **gradients}

    def move(update: Update, means: Mapping[str, Tensor]) -> None:
        for network, adam in update.trains.items():
            own = {name: _rescale(model, name, means[name]) for name in means if name.startswith(f"{network}/")}
            mechanics.apply(tensors, adam_choice, adam, own)

    for update in (update for update in model.updates if update.name in batches):
        batch = batches[update.name]
        if update.moves_w_mean and "w_mean" in tensors:
            mean = evaluate("w_mean", mean_of_w, update, batch)
            beta = model.config.style.w_mean_beta
            mechanics.write(tensors, {"w_mean": average_step(beta, tensors["w_mean"], mean)})
        if model.config.augment is not None and "augment_p" in tensors:
            if update.separation is not None:
                before = batch._replace(augment_p=tensors["augment_p"])
                separation = evaluate("separation", update.separation, update, before)
                p = adapt_p(model.config.augment, tensors["augment_p"], separation, stage.batch_size)
                mechanics.write(tensors, {"augment_p": p})
            batch = batch._replace(augment_p=tensors["augment_p"])
        means = _mean(mechanics, partial(differentiate, update), batch)
        losses[update.name] = means["loss"]
        mechanics.change(partial(move, update, means))
    decay = stage.average_decay if rates.average_decay is None else rates.average_decay
    mechanics.change(lambda: mechanics.average(tensors, decay))
    return losses


def _mean(
    mechanics: Mechanics[Tensor], compute: Callable[[Batch], dict[str, Tensor]], batch: Batch
) -> Mapping[str, Tensor]:
    """Return `compute(batch)`, each a mean over the batch: in several passes, the mean of those over its parts."""
    passes = count_passes(batch.images.shape[0], mechanics.microbatch)

    def compute_in_passes() -> dict[str, Tensor]:
        take_part = split(batch, passes)
        sums: dict[str, Any] = mechanics.add_passes(lambda k: compute(take_part(k)), passes)
        return {name: each / passes for name, each in sums.items()}

    return mechanics.reduce(mechanics.compute(partial(compute, batch) if passes == 1 else compute_in_passes))


def split(batch: Batch, passes: int) -> Callable[[Any], Batch]:
    """Return a function of k that returns rows k, k + passes, k + 2 · passes, … of the batch; k as in `add_passes`.

    Such parts consist of whole groups of the images that a D on images compares, and of equal shares of each device.
    """
    rows = batch.images.shape[0]

    def has_rows(x: Any) -> bool:
        return x is not None and len(x.shape) > 0 and x.shape[0] == rows

    divided = keras.tree.map_structure(
        lambda x: ops.reshape(x, (rows // passes, passes, *x.shape[1:])) if has_rows(x) else x, batch
    )
    # Copied, because graphs that PyTorch has traced require contiguous tensors.
    return lambda k: keras.tree.map_structure(
        lambda x, parts: ops.copy(parts[:, k]) if has_rows(x) else x, batch, divided
    )


def mean_of_w(networks: Family, batch: Batch) -> Any:
    """Return the mean of w = F(z) over the batch, (w,), towards which the running mean of w moves."""
    w = map_to_w(networks, batch.draws.z, batch)
    return ops.sum(w, axis=0) / w.shape[0]


def _rescale(model: Alae, name: str, gradient: Any) -> Any:
    # The gradient with respect to the scaled weight, so that Adam's ε has the same effect as in the authors' code.
    scale = model.scales[name]
    return gradient if scale == 1 else gradient / scale
