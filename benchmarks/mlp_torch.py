"""MLP-ALAE written by hand in PyTorch: the training step and inference."""

from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional

from alae_core import Config

_DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def _network(config, weights, name):
    depth = len(getattr(config.networks, name).hidden) + 1
    kernels = [torch.tensor(weights[f"{name}/dense{i}/kernel"].T, device=_DEVICE).contiguous() for i in range(depth)]
    biases = [torch.tensor(weights[f"{name}/dense{i}/bias"], device=_DEVICE) for i in range(depth)]
    return list(zip(kernels, biases, strict=True))


def _apply(layers, x):
    for kernel, bias in layers[:-1]:
        x = functional.leaky_relu(functional.linear(x, kernel, bias), 0.2)
    return functional.linear(x, *layers[-1])


def make_step(config: Config, weights: dict[str, np.ndarray], images: np.ndarray) -> Callable[[], object]:
    """Return a function that takes one training step on `images` and returns its losses."""
    batch, gamma = len(images), config.r1_gamma
    decay = 0.5 ** (batch / config.average_halflife)

    F, G, E, D = (_network(config, weights, name) for name in "FGED")
    everything = [tensor.requires_grad_() for layers in (F, G, E, D) for pair in layers for tensor in pair]

    def adam(*networks):
        parameters = [tensor for layers in networks for pair in layers for tensor in pair]
        choice = config.adam
        betas = (choice.beta1, choice.beta2)
        return torch.optim.Adam(parameters, choice.learning_rate, betas, choice.epsilon, fused=True)

    optimizers = [adam(E, D), adam(F, G), adam(E, G)]
    averages = [tensor.detach().clone() for tensor in everything]

    def update(optimizer, loss):
        parameters = optimizer.param_groups[0]["params"]
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.grad = gradient
        optimizer.step()
        return loss.detach()

    def prior():
        return torch.randn(batch, config.networks.z, device=_DEVICE)

    flat = torch.tensor(images.reshape(batch, -1), device=_DEVICE)

    def run():
        x = flat.detach().requires_grad_()
        with torch.no_grad():
            fake = _apply(G, _apply(F, prior()))
        real = _apply(D, _apply(E, x))
        (gradient,) = torch.autograd.grad(real.sum(), x, create_graph=True)
        penalty = gamma / 2 * gradient.square().sum(dim=1).mean()
        loss = functional.softplus(_apply(D, _apply(E, fake))).mean() + functional.softplus(-real).mean() + penalty
        losses = [update(optimizers[0], loss)]
        fake = _apply(G, _apply(F, prior()))
        losses.append(update(optimizers[1], functional.softplus(-_apply(D, _apply(E, fake))).mean()))
        with torch.no_grad():
            w = _apply(F, prior())
        losses.append(update(optimizers[2], (w - _apply(E, _apply(G, w))).square().sum(dim=1).mean()))
        with torch.no_grad():
            torch._foreach_lerp_(averages, everything, 1 - decay)
        return losses

    return run


def make_inference(config: Config, weights: dict[str, np.ndarray]) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Return functions that `encode`, `generate` and `reconstruct` one chunk."""
    G, E = (_network(config, weights, name) for name in "GE")

    def infer(layers, x):
        for kernel, bias in layers[:-1]:
            x = functional.leaky_relu_(functional.linear(x, kernel, bias), 0.2)
        return functional.linear(x, *layers[-1])

    def encode(x):
        return infer(E, x.flatten(1))

    def generate(w):
        return infer(G, w).view(-1, *config.image)

    def on_arrays(function):
        @torch.no_grad()
        def run(array):
            return function(torch.from_numpy(array).to(_DEVICE)).cpu().numpy()

        return run

    functions = {"encode": encode, "generate": generate, "reconstruct": lambda x: generate(encode(x))}
    return {name: on_arrays(function) for name, function in functions.items()}
