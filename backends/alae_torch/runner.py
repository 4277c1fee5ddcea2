"""ALAE's training step in PyTorch: each update traced once, through its own gradients, into a flat graph of kernels."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import keras
import numpy as np
import torch
from torch.fx.experimental.proxy_tensor import make_fx

from alae_core.config import Adam, Config
from alae_core.growth import Stage
from alae_core.model import Alae
from alae_core.optimizer import mean_step
from alae_core.runner import BaseRunner
from alae_core.state import moment_name
from alae_core.updates import Batch, Update

Tensors = dict[str, torch.Tensor]


def input_gradient(fn: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """See `Backend.input_gradient`."""
    x = x.detach().requires_grad_()
    value = fn(x)
    (gradient,) = torch.autograd.grad(value.sum(), x, create_graph=True)
    return value, gradient


class TorchRunner(BaseRunner[torch.Tensor]):
    """See `alae_core.Runner`."""

    def __init__(self, alae: Alae, config: Config, *, seed: int = 0) -> None:
        self._graphs: dict[Any, Callable[..., tuple[torch.Tensor, Tensors]]] = {}
        super().__init__(alae, config, seed=seed)

    @property
    def device(self) -> torch.device:
        """Where the weights lie, and all else that training needs."""
        return next(iter(self.alae.variables.values())).value.device

    def to_device(self, array: np.ndarray) -> torch.Tensor:
        tensor, device = torch.tensor(array), self.device
        # From page-locked memory the copy runs beside the computation.
        return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)

    def draw_noise(self, count: int, key: int) -> torch.Tensor:
        # Keras would read its seed from the device, and wait for it.
        generator = torch.Generator(self.device).manual_seed(key)
        return torch.randn(count, generator=generator, device=self.device, dtype=getattr(torch, self.config.dtype))

    def to_numpy(self, tensor: torch.Tensor) -> np.ndarray:
        return tensor.detach().cpu().numpy().copy()

    def place(self, arrays: Mapping[str, np.ndarray]) -> None:
        if not self.tensors:
            # The model's weights are trained in place; the rest of the state is the runner's own.
            weights = {f"weights/{name}": variable.value.data for name, variable in self.alae.variables.items()}
            self.tensors = {
                name: weights[name] if name in weights else self._own(name, array) for name, array in arrays.items()
            }
        for name, array in arrays.items():
            self.tensors[name].copy_(torch.from_numpy(np.array(array)))

    def _own(self, name: str, array: np.ndarray) -> torch.Tensor:
        # Adam's counts stay on the host, where a step reads them: reading one from the device would wait for it.
        return torch.tensor(array) if name.endswith("/t") else self.to_device(array)

    @torch.no_grad()
    def train(self, batches: Mapping[str, Batch], stage: Stage) -> dict[str, Any]:
        losses = {}
        for update in self.chosen(batches):
            batch = batches[update.name]
            if "w_mean" in self.tensors:
                self.tensors["w_mean"].copy_(self._traced("w_mean", self._mean_step, batch))
            losses[update.name], gradients = self.differentiate(update, batch)
            for network, adam in update.trains.items():
                self._adam_step(stage.adam, network, adam, gradients)
        names = list(self.alae.variables)
        averages = [self.tensors[f"averages/{name}"] for name in names]
        torch._foreach_lerp_(averages, [self.tensors[f"weights/{name}"] for name in names], 1 - stage.average_decay)
        return losses

    @torch.no_grad()
    def differentiate(self, update: Update, batch: Batch) -> tuple[torch.Tensor, Tensors]:
        return self._traced(update.name, partial(self._value_and_gradient, update), batch)

    def _traced(self, name: str, fn: Callable[[Tensors, Batch], Any], batch: Batch) -> Any:
        weights = {name: self.tensors[f"weights/{name}"] for name in self.alae.variables}
        key = (name, batch.images.shape, batch.labels is None, batch.mix is None)
        if key not in self._graphs:
            self._graphs[key] = _trace(fn, weights, batch)
        return self._graphs[key](weights, batch)

    def _value_and_gradient(self, update: Update, weights: Tensors, batch: Batch) -> tuple[torch.Tensor, Tensors]:
        trained = self.trained(update, batch)
        weights = {name: weight.detach().requires_grad_(name in trained) for name, weight in weights.items()}
        with self._weights_of(weights):
            loss = update.loss(self.alae, batch, input_gradient)
            gradients = torch.autograd.grad(loss, [weights[name] for name in trained])
        # Laid out as the weights are: the fused Adam pairs numbers by their place in memory.
        return loss.detach(), {name: g.contiguous() for name, g in zip(trained, gradients, strict=True)}

    def _mean_step(self, weights: Tensors, batch: Batch) -> torch.Tensor:
        with self._weights_of(weights):
            # The trace keeps the very tensor of the state, which changes in place only.
            return mean_step(self.alae, self.tensors["w_mean"], batch.z)

    def _weights_of(self, weights: Tensors) -> keras.StatelessScope:
        return keras.StatelessScope([(self.alae.variables[name], weight) for name, weight in weights.items()])

    def _adam_step(self, choice: Adam, network: str, adam: str, gradients: Tensors) -> None:
        names, scales = [name for name in gradients if name.startswith(f"{network}/")], self.alae.scales
        weights = [self.tensors[f"weights/{name}"] for name in names]
        steps = int(self.tensors[f"adam/{adam}/{network}/t"].add_(1))
        t = torch.full((), steps, dtype=torch.float32, device=weights[0].device)
        # The kernel of torch.optim.Adam(fused=True). It adds ε to √(v / (1 − β2ᵗ)), ALAE's Adam to √v: the factor
        # makes the two the same.
        torch._fused_adam_(
            weights,
            [gradients[name] if scales[name] == 1 else gradients[name] / scales[name] for name in names],
            [self.tensors[moment_name(adam, "m", name)] for name in names],
            [self.tensors[moment_name(adam, "v", name)] for name in names],
            [],
            [t] * len(names),
            lr=choice.learning_rate * (1 - choice.warmup**steps),
            beta1=choice.beta1,
            beta2=choice.beta2,
            weight_decay=0.0,
            eps=choice.epsilon / (1 - choice.beta2**steps) ** 0.5,
            amsgrad=False,
            maximize=False,
        )


def _trace(fn: Callable[[Tensors, Batch], Any], weights: Tensors, batch: Batch) -> torch.fx.GraphModule:
    # Keras' layers and autograd cost more than small networks compute. The trace holds what they did, the gradients
    # included, as kernels alone; like a compiled function it is valid for these shapes.
    with torch.enable_grad():
        # Not `fn` itself: make_fx counts the parameters of what it traces, a partial's bound ones too.
        # Nothing is computed while tracing, but for constants.
        trace = make_fx(lambda weights, batch: fn(weights, batch), tracing_mode="fake", _allow_non_fake_inputs=True)
        traced = trace(weights, batch)
    aten = torch.ops.aten
    for node in traced.graph.find_nodes(op="call_function", target=aten.detach.default):
        # It tells autograd something, and autograd's work is done.
        node.replace_all_uses_with(node.args[0])
    for node in traced.graph.find_nodes(op="call_function", target=aten.clone.default):
        source = node.args[0]
        while source.target == aten.clone.default:
            source = source.args[0]
        # Keras lays a convolution's input out channels first, and then as it was: two copies of every feature map.
        if source.meta["tensor_meta"].stride == node.meta["tensor_meta"].stride:
            node.replace_all_uses_with(source)
    traced.graph.eliminate_dead_code()
    traced.recompile()
    return traced
