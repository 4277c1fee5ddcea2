"""The compact recipe written by hand in PyTorch: convolutional networks, their training step, and inference."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from alae_core import Config
from benchmarks.schedule import schedule

_DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@dataclass(frozen=True)
class Networks:
    """F, G, E and D of `p`, weights by name in the layout of `_native`; images and maps are NCHW."""

    p: Mapping[str, torch.Tensor]
    config: Config

    def F(self, z):
        """Map z to w."""
        x = _normalize(z)
        for i in range(2):
            x = _leaky(self._dense(f"F/dense{i}", x))
        return _normalize(self._dense("F/dense2", x))

    def D(self, w):
        """Map w to logits."""
        return self._dense("D/dense1", _leaky(self._dense("D/dense0", w)))[:, 0]

    def G(self, w):
        """Map w to images."""
        widths, side = self.config.conv.widths, self.config.image[0] // self.config.conv.factor
        x = self._dense("G/dense1", _leaky(self._dense("G/dense0", w))).view(-1, widths[0], side, side)
        for i in range(len(widths)):
            x = functional.interpolate(x, scale_factor=2, mode="bilinear") if i else x
            x = self._conv(f"G/conv{i}", self._refine("G", i, x), padding=1)
        return torch.tanh(x)

    def E(self, x):
        """Map images to w."""
        for i in reversed(range(len(self.config.conv.widths) - 1)):
            x = self._refine("E", i, self._conv(f"E/conv{i}", x, stride=2, padding=1))
        return _normalize(self._dense("E/dense1", _leaky(self._dense("E/dense0", x.flatten(1)))))

    def _refine(self, network, i, x):
        if i < self.config.conv.residual:
            x = x + self._conv(f"{network}/residual{i}", _leaky(x), padding=1)
        return _leaky(x)

    def _dense(self, name, x):
        return functional.linear(x, self.p[f"{name}/kernel"], self.p[f"{name}/bias"])

    def _conv(self, name, x, **choices):
        return functional.conv2d(x, self.p[f"{name}/kernel"], self.p[f"{name}/bias"], **choices)


def _leaky(x):
    return functional.leaky_relu(x, 0.2)


def _normalize(x):
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)


def _native(config, weights):
    """Convert weights to PyTorch's layout: kernels (outputs, inputs, …), and coarsest maps with channels first."""
    side, channels = config.image[0] // config.conv.factor, config.conv.widths[0]
    order = np.arange(side * side * channels).reshape(side, side, channels).transpose(2, 0, 1).ravel()
    weights = dict(weights)
    for name in ("G/dense1/kernel", "G/dense1/bias"):
        weights[name] = weights[name][..., order]
    weights["E/dense0/kernel"] = weights["E/dense0/kernel"][order]
    tensors = {name: torch.tensor(value, device=_DEVICE) for name, value in weights.items()}
    axes = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}
    return {name: tensor.permute(axes[tensor.ndim]).contiguous() for name, tensor in tensors.items()}


def make_step(config: Config, weights: dict[str, np.ndarray], images: np.ndarray) -> Callable[..., list[object]]:
    """Return a function that takes one training step on `images` and returns its losses.

    It takes the z of the two adversarial updates, arrays (batch, z); without them it draws them.
    """
    batch, gamma, choice, step = len(images), config.r1_gamma, config.adam, -1
    p = {name: value.requires_grad_() for name, value in _native(config, weights).items()}
    n = Networks(p, config)
    F, G, E, D = n.F, n.G, n.E, n.D
    averages = [value.detach().clone() for value in p.values()]

    def adam(networks):
        betas = (choice.beta1, choice.beta2)
        parameters = [value for name, value in p.items() if name[0] in networks]
        return torch.optim.Adam(parameters, choice.learning_rate, betas, choice.epsilon, fused=True)

    optimizers = [adam("ED"), adam("FG"), adam("EG")]
    counts = dict.fromkeys(optimizers, 0)

    def update(optimizer, loss, rate):
        group = optimizer.param_groups[0]
        group["lr"] = rate
        # PyTorch adds ε to the corrected √v.
        counts[optimizer] += 1
        group["eps"] = choice.epsilon / (1 - choice.beta2 ** counts[optimizer]) ** 0.5
        for parameter, gradient in zip(group["params"], torch.autograd.grad(loss, group["params"]), strict=True):
            # The fused Adam pairs numbers by their position in memory.
            parameter.grad = gradient.contiguous()
        optimizer.step()
        return loss.detach()

    real_images = torch.tensor(images, device=_DEVICE).permute(0, 3, 1, 2).contiguous()

    def run(z=None):
        nonlocal step
        step += 1
        if z is None:
            z = torch.randn(2, batch, config.networks.z, device=_DEVICE)
        else:
            z = [torch.tensor(each, device=_DEVICE) for each in z]
        rate, decay = schedule(config, step)
        x = real_images.detach().requires_grad_()
        with torch.no_grad():
            w = F(z[0])
            fake = G(w)
        real = D(E(x))
        (gradient,) = torch.autograd.grad(real.sum(), x, create_graph=True)
        codes = E(fake)
        loss = functional.softplus(-real).mean() + functional.softplus(D(codes)).mean()
        loss = loss + gamma / 2 * gradient.square().sum((1, 2, 3)).mean() + (w - codes).square().mean()
        losses = [update(optimizers[0], loss, rate)]
        w = F(z[1])
        codes = E(G(w))
        loss = functional.softplus(-D(codes)).mean() + (w.detach() - codes).square().mean()
        losses.append(update(optimizers[1], loss, rate))
        if step % config.updates.every == 0:
            loss = (real_images - G(E(real_images))).square().mean()
            losses.append(update(optimizers[2], loss, rate))
        with torch.no_grad():
            torch._foreach_lerp_(averages, list(p.values()), 1 - decay)
        return losses

    return run


def make_inference(config: Config, weights: dict[str, np.ndarray]) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Return functions that `encode`, `generate` and `reconstruct` one chunk."""
    n = Networks(_native(config, weights), config)

    def encode(x):
        return n.E(x.permute(0, 3, 1, 2))

    def generate(w):
        return n.G(w).permute(0, 2, 3, 1)

    def on_arrays(function):
        @torch.no_grad()
        def run(array):
            return function(torch.from_numpy(array).to(_DEVICE)).cpu().numpy()

        return run

    functions = {"encode": encode, "generate": generate, "reconstruct": lambda x: generate(encode(x))}
    return {name: on_arrays(function) for name, function in functions.items()}
