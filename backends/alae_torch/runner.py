"""ALAE's training step in PyTorch: each update, including its gradient, is traced once into a flat graph of kernels."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch.fx.experimental.proxy_tensor import make_fx

from alae_core.framework import structure
from alae_core.groups import Adam
from alae_core.growth import Rates, Stage
from alae_core.model import Alae
from alae_core.networks.family import Family
from alae_core.runner import BaseRunner
from alae_core.shares import Share
from alae_core.state import count_name, moment_name
from alae_core.updates import Batch, Update
from alae_torch import TorchBackend

Tensors = dict[str, torch.Tensor]


def input_gradient(fn: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """See `Framework.input_gradient`."""
    x = x.detach().requires_grad_()
    value = fn(x)
    (gradient,) = torch.autograd.grad(value.sum(), x, create_graph=True)
    return value, gradient


class TorchRunner(BaseRunner[torch.Tensor]):
    """See `alae_core.Runner`. `self.tensors` are changed in place."""

    def __init__(self, backend: TorchBackend, model: Alae) -> None:
        self._peers = backend.peers
        if self._peers:
            self.share = Share(self._peers.rank, self._peers.processes, is_separate=True)
        self._graphs: dict[Hashable, Callable[..., Any]] = {}
        self._weights = [f"weights/{name}" for name in model.variables]
        super().__init__(backend, model)

    @property
    def device(self) -> torch.device:
        """The device of the weights and of everything else that training uses."""
        return next(iter(self.model.variables.values())).value.device

    def to_device(self, array: np.ndarray) -> torch.Tensor:
        # Copied by NumPy (see `_from_bytes`), row by row, because traced graphs require contiguous tensors.
        tensor, device = torch.from_numpy(np.array(array, order="C")), self.device
        # From page-locked memory the copy overlaps with computation.
        return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)

    def draw_noise(self, count: int, key: int) -> torch.Tensor:
        # Keras would read its seed from the device, and wait.
        generator = torch.Generator(self.device).manual_seed(key)
        return torch.randn(count, generator=generator, device=self.device, dtype=getattr(torch, self.config.dtype))

    def to_numpy(self, tensor: torch.Tensor) -> np.ndarray:
        return tensor.detach().cpu().numpy().copy()

    def place(self, arrays: Mapping[str, np.ndarray]) -> None:
        if not self.tensors:
            held = self.model.state_variables
            self.tensors = {
                name: held[name].value.data if name in held else self._to_own_device(name, array)
                for name, array in arrays.items()
            }
        self.write(self.tensors, {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()})

    def _to_own_device(self, name: str, array: np.ndarray) -> torch.Tensor:
        # Adam's counts stay on the host: a step reads them, and reading from the device would wait.
        return torch.tensor(array) if name.endswith("/t") else self.to_device(array)

    def write(self, tensors: Tensors, values: Mapping[str, torch.Tensor]) -> None:
        for name, value in values.items():
            tensors[name].copy_(value)

    def clear(self, names: Iterable[str]) -> None:
        for name in names:
            self.tensors[name].zero_()

    @torch.no_grad()
    def train(self, batches: Mapping[str, Batch], stage: Stage, rates: Rates) -> dict[str, Any]:
        return super().train(batches, stage, rates)

    @torch.no_grad()
    def gradient(self, tensors: Tensors, update: Update, batch: Batch) -> tuple[torch.Tensor, Tensors]:
        def value_and_gradient(weights: Tensors, batch: Batch) -> tuple[torch.Tensor, Tensors]:
            trained = self.trained_weights(update, batch)
            weights = {
                key: weight.detach().requires_grad_(key.removeprefix("weights/") in trained)
                for key, weight in weights.items()
            }
            with self.networks.use_weights(weights):
                loss = update.loss(self.networks, batch, input_gradient)
                # Autograd refuses to differentiate by nothing, as when all networks of the update are frozen.
                inputs = [weights[f"weights/{name}"] for name in trained]
                gradients = torch.autograd.grad(loss, inputs) if inputs else ()
            # In the layout of the weights: the fused Adam pairs numbers by their position in memory.
            return loss.detach(), {name: g.contiguous() for name, g in zip(trained, gradients, strict=True)}

        return self._call_traced(("gradient", update.name), value_and_gradient, tensors, batch)

    def evaluate(
        self, tensors: Tensors, fn: Callable[[Family, Batch], Any], update: Update, batch: Batch
    ) -> torch.Tensor:
        def value(weights: Tensors, batch: Batch) -> torch.Tensor:
            with self.networks.use_weights(weights):
                return fn(self.networks, batch)

        return self._call_traced((fn, update.name), value, tensors, batch)

    def add_passes(self, compute: Callable[[Any], Tensors], passes: int) -> Tensors:
        # Copied, because two gradients may be one tensor.
        sums = {name: each.clone() for name, each in compute(0).items()}
        for k in range(1, passes):
            each = compute(k)
            torch._foreach_add_(list(sums.values()), [each[name] for name in sums])
        return sums

    def _call_traced(self, what: Hashable, fn: Callable[[Tensors, Batch], Any], tensors: Tensors, batch: Batch) -> Any:
        weights = {name: tensors[name] for name in self._weights}
        key = what, structure(batch)
        if key not in self._graphs:
            self._graphs[key] = trace(fn, weights, batch)
        return self._graphs[key](weights, batch)

    def reduce(self, means: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        return dict(zip(means, self._peers.mean(list(means.values())), strict=True)) if self._peers else means

    def apply(self, tensors: Tensors, choice: Adam, adam: str, gradients: Mapping[str, torch.Tensor]) -> None:
        if not gradients:
            return
        names = list(gradients)
        weights = [tensors[f"weights/{name}"] for name in names]
        steps = int(tensors[count_name(adam, names[0])].add_(1))
        t = torch.full((), steps, dtype=torch.float32, device=weights[0].device)
        # The kernel of torch.optim.Adam(fused=True). It adds ε to √(v / (1 − β2ᵗ)), and ALAE's Adam adds it to √v: the
        # factor on ε makes them equal.
        torch._fused_adam_(
            weights,
            list(gradients.values()),
            [tensors[moment_name(adam, "m", name)] for name in names],
            [tensors[moment_name(adam, "v", name)] for name in names],
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

    def average(self, tensors: Tensors, decay: float) -> None:
        names = list(self.model.variables)
        averages, weights = ([tensors[f"{group}/{name}"] for name in names] for group in ("averages", "weights"))
        torch._foreach_lerp_(averages, weights, 1 - decay)


def compile_function(fn: Callable[..., Any]) -> Callable[..., Any]:
    """See `Framework.compile`: one trace for each structure of the arguments."""
    graphs: dict[Hashable, Callable[..., Any]] = {}

    @torch.no_grad()
    def call(*arguments: Any) -> Any:
        key = structure(arguments)
        if key not in graphs:
            graph = graphs[key] = trace(fn, *arguments)
            _use_channels_last(graph)
            _write_in_place(graph)
        return graphs[key](*arguments)

    return call


def trace(fn: Callable[..., Any], *arguments: Any) -> torch.fx.GraphModule:
    """Trace `fn`, including its gradients, into a flat graph of kernels for the shapes of these arguments."""
    # For small networks, Keras' layers and autograd take longer than the computation.
    with torch.enable_grad():
        # A lambda, because make_fx counts the parameters of a function, including those bound by a partial. Only
        # constants are computed while tracing.
        tracer = make_fx(lambda *arguments: fn(*arguments), tracing_mode="fake", _allow_non_fake_inputs=True)
        graph = tracer(*arguments)
    aten = torch.ops.aten
    for node in graph.graph.find_nodes(op="call_function", target=aten.detach.default):
        # Only autograd needs it.
        node.replace_all_uses_with(node.args[0])
    for node in graph.graph.find_nodes(op="call_function", target=aten.clone.default):
        source = node.args[0]
        while source.target == aten.clone.default:
            source = source.args[0]
        # Keras copies the input of each convolution to channels first and back: two copies of every feature map.
        if source.meta["tensor_meta"].stride == node.meta["tensor_meta"].stride:
            node.replace_all_uses_with(source)
    for node in graph.graph.find_nodes(op="call_function", target=aten.convolution_backward.default):
        kernel = node.args[2]
        if kernel.meta["tensor_meta"].shape[0] == 1 and kernel.meta["tensor_meta"].dtype == torch.float64:
            # PyTorch's own convolution, used in float64, does not recognise the layout of a kernel with one output.
            with graph.graph.inserting_before(node):
                layout: dict[str, Any] = {"memory_format": torch.contiguous_format}
                node.update_arg(2, graph.graph.call_function(aten.clone.default, (kernel,), layout))
    graph.graph.eliminate_dead_code()
    graph.recompile()
    return graph


_ATEN = torch.ops.aten
_IN_PLACE = {
    _ATEN.add.Tensor: _ATEN.add_.Tensor,
    _ATEN.sub.Tensor: _ATEN.sub_.Tensor,
    _ATEN.mul.Tensor: _ATEN.mul_.Tensor,
    _ATEN.div.Tensor: _ATEN.div_.Tensor,
    _ATEN.leaky_relu.default: _ATEN.leaky_relu_.default,
}
_COMMUTE = (_ATEN.add.Tensor, _ATEN.mul.Tensor)


def _use_channels_last(module: torch.fx.GraphModule) -> None:
    """Let convolutions use channels-last maps, as all other operations do: twice as fast on a CPU, without copies.

    Not for training steps: gradients would not have the layout of the weights.
    """
    for node in module.graph.find_nodes(op="call_function", target=_ATEN.clone.default):
        source = node.args[0]
        if source.target is _ATEN.permute.default and {each.target for each in node.users} == {
            _ATEN.convolution.default
        }:
            node.replace_all_uses_with(source)
        else:
            with module.graph.inserting_before(node):
                node.replace_all_uses_with(module.graph.call_method("contiguous", (source,)))
    for node in module.graph.nodes:
        if node.target in (_ATEN.view.default, _ATEN._unsafe_view.default):
            # The traced layout has changed, so a view may need a copy.
            node.target = _ATEN.reshape.default
    module.graph.eliminate_dead_code()
    module.recompile()


def _write_in_place(module: torch.fx.GraphModule) -> None:
    """Let a graph without gradients write results over operands that are not used again.

    Allocating memory for many large maps takes longer than the arithmetic.
    """
    nodes = list(module.graph.nodes)
    place, views = {node: i for i, node in enumerate(nodes)}, {node for node in nodes if _is_view(node)}
    # For each node, the node that owns its memory; for each owner, the nodes that share its memory.
    owner: dict[torch.fx.Node, torch.fx.Node] = {}
    sharing: dict[torch.fx.Node, list[torch.fx.Node]] = {}

    def is_free(operand: Any, node: torch.fx.Node) -> bool:
        if not isinstance(operand, torch.fx.Node) or owner[operand].op != "call_function":
            return False
        own, result = (each.meta.get("tensor_meta") for each in (operand, node))
        if not own or not result or (own.shape, own.stride, own.dtype) != (result.shape, result.stride, result.dtype):
            return False
        others = [each for each in node.all_input_nodes if each is not operand]
        return all(owner[each] is not owner[operand] for each in others) and all(
            place[user] <= place[node] for each in sharing[owner[operand]] for user in each.users
        )

    for node in nodes:
        owner[node] = owner[node.args[0]] if node in views else node
        if node.op == "call_function" and node.target in _IN_PLACE:
            if node.target in _COMMUTE and len(node.args) == 2 and not node.kwargs and is_free(node.args[1], node):
                node.args = node.args if is_free(node.args[0], node) else node.args[::-1]
            if is_free(node.args[0], node):
                node.target, owner[node] = _IN_PLACE[node.target], owner[node.args[0]]
        sharing.setdefault(owner[node], []).append(node)
    module.recompile()


def _is_view(node: torch.fx.Node) -> bool:
    if not node.args or not isinstance(node.args[0], torch.fx.Node) or node.op not in ("call_function", "call_method"):
        return False
    if not isinstance(node.target, torch._ops.OpOverload):
        # An element of a tuple, or a contiguous copy, may share memory with its source.
        return True
    return any(each.alias_info is not None for each in node.target._schema.returns)
