"""ALAE's training step in PyTorch as a plain loop: Keras' layers, autograd, and Adam as `alae_core` writes it."""

from collections.abc import Callable, Mapping

import numpy as np
import torch

from alae_core.growth import Stage
from alae_core.optimizer import adam_step, average_step, mean_step
from alae_core.runner import BaseRunner
from alae_core.state import moment_name
from alae_core.updates import Batch, Update

Tensors = dict[str, torch.Tensor]


def input_gradient(fn: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """See `alae_core.Backend.input_gradient`; `create_graph` makes the gradient itself differentiable."""
    x = x.detach().requires_grad_()
    value = fn(x)
    (gradient,) = torch.autograd.grad(value.sum(), x, create_graph=True)
    return value, gradient


class EagerRunner(BaseRunner[torch.Tensor]):
    """See `alae_core.Runner`. Everything in `self.tensors` is changed in place."""

    def to_device(self, array: np.ndarray) -> torch.Tensor:
        """`torch.tensor` copies; `torch.from_numpy` would share the caller's memory."""
        return torch.tensor(array, device=next(iter(self.alae.variables.values())).value.device)

    def to_numpy(self, tensor: torch.Tensor) -> np.ndarray:
        """Without `copy` the array would change at the next step."""
        return tensor.detach().cpu().numpy().copy()

    def place(self, arrays: Mapping[str, np.ndarray]) -> None:
        """The weights of `self.tensors` are the very tensors of the model: to train the one is to train the other."""
        self.tensors = {name: self.to_device(array) for name, array in arrays.items()}
        for name, variable in self.alae.variables.items():
            variable.assign(arrays[f"weights/{name}"])
            self.tensors[f"weights/{name}"] = variable.value

    @torch.no_grad()
    def train(self, batches: Mapping[str, Batch], stage: Stage) -> Tensors:
        """One training step: the updates in order, each on the weights that the one before left, then the averages."""
        losses = {}
        for update in self.chosen(batches):
            batch = batches[update.name]
            if "w_mean" in self.tensors:
                mean = self.tensors["w_mean"]
                mean.copy_(mean_step(self.alae, mean, batch.z))
            losses[update.name], gradients = self.differentiate(update, batch)
            for network, adam in update.trains.items():
                self._adam_step(stage, network, adam, gradients)
        for name in self.alae.variables:
            average = self.tensors[f"averages/{name}"]
            average.copy_(average_step(stage.average_decay, average, self.tensors[f"weights/{name}"]))
        return losses

    @torch.enable_grad()
    def differentiate(self, update: Update, batch: Batch) -> tuple[torch.Tensor, Tensors]:
        """The loss of one update, and its gradient for the networks that this update trains and for no other."""
        names = list(self.trained(update, batch))
        loss = update.loss(self.alae, batch, input_gradient)
        gradients = torch.autograd.grad(loss, [self.tensors[f"weights/{name}"] for name in names])
        return loss.detach(), dict(zip(names, gradients, strict=True))

    def _adam_step(self, stage: Stage, network: str, adam: str, gradients: Tensors) -> None:
        t = self.tensors[f"adam/{adam}/{network}/t"].add_(1)
        for name in (name for name in gradients if name.startswith(f"{network}/")):
            where = (f"weights/{name}", moment_name(adam, "m", name), moment_name(adam, "v", name))
            value, m, v = (self.tensors[key] for key in where)
            gradient = gradients[name] / self.alae.scales[name]
            moved = adam_step(stage.adam, value, gradient, m, v, t.to(value.dtype))
            for tensor, new in zip((value, m, v), moved, strict=True):
                tensor.copy_(new)
