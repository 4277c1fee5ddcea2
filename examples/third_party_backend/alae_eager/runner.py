"""ALAE's training step in eager PyTorch: Keras' layers, autograd, and the step and Adam of `alae_core`."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from alae_core.growth import Rates, Stage
from alae_core.runner import BaseRunner
from alae_core.updates import Batch, Update

Tensors = dict[str, torch.Tensor]


def input_gradient(fn: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """See `alae_core.framework.Framework.input_gradient`; `create_graph` makes the gradient itself differentiable."""
    x = x.detach().requires_grad_()
    value = fn(x)
    (gradient,) = torch.autograd.grad(value.sum(), x, create_graph=True)
    return value, gradient


def compile_function(fn: Callable[..., Any]) -> Callable[..., Any]:
    """See `alae_core.framework.Framework.compile`: eager PyTorch compiles nothing."""
    return torch.no_grad()(fn)


class EagerRunner(BaseRunner[torch.Tensor]):
    """See `alae_core.Runner`. All of `self.tensors` is changed in place."""

    def to_device(self, array: np.ndarray) -> torch.Tensor:
        """`torch.tensor` copies; `torch.from_numpy` would share the caller's memory."""
        return torch.tensor(array, device=next(iter(self.model.variables.values())).value.device)

    def to_numpy(self, tensor: torch.Tensor) -> np.ndarray:
        """Without `copy` the array would change at the next step."""
        return tensor.detach().cpu().numpy().copy()

    def place(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Share tensors between the model and the state, so that training one trains the other."""
        self.tensors = {name: self.to_device(array) for name, array in arrays.items()}
        for name, variable in self.model.state_variables.items():
            variable.assign(arrays[name])
            self.tensors[name] = variable.value

    def write(self, tensors: Tensors, values: Mapping[str, torch.Tensor]) -> None:
        """Copy new values into the existing tensors."""
        for name, value in values.items():
            tensors[name].copy_(value)

    @torch.no_grad()
    def train(self, batches: Mapping[str, Batch], stage: Stage, rates: Rates) -> dict[str, Any]:
        """Do the step of `alae_core`; autograd is needed only in `gradient`."""
        return super().train(batches, stage, rates)

    @torch.enable_grad()
    def gradient(self, tensors: Tensors, update: Update, batch: Batch) -> tuple[torch.Tensor, Tensors]:
        """The loss of one update, and its gradient by the weights that this update trains."""
        names = self.trained_weights(update, batch)
        loss = update.loss(self.networks, batch, input_gradient)
        gradients = torch.autograd.grad(loss, [tensors[f"weights/{name}"] for name in names])
        return loss.detach(), dict(zip(names, gradients, strict=True))
