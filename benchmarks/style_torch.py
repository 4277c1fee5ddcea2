"""StyleALAE written by hand in PyTorch: the authors' training step at one level of detail, and inference."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from alae_core import Config

_DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
_ROW = torch.tensor([1.0, 2.0, 1.0], device=_DEVICE) / 4
_BLUR = torch.outer(_ROW, _ROW).expand(1024, 1, 3, 3).contiguous()


@dataclass(frozen=True)
class Networks:
    """F, G, E and D at one level of detail; `p` holds the weights by name, in the layout of `_native`."""

    p: Mapping[str, torch.Tensor]
    mapping_layers: int
    lod: int
    blend: float = 1.0

    def F(self, z):
        """Map z to w."""
        x = z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
        for i in range(self.mapping_layers):
            x = _leaky(self._dense(f"F/dense{i}", x, lrmul=0.1))
        return x

    def D(self, w):
        """Map w to logits."""
        for i in range(3):
            w = self._dense(f"D/dense{i}", w, lrmul=0.1)
        return w[:, 0]

    def G(self, w, noise):
        """Map one style per layer, and noise maps, to images."""
        x, below = self._constant(len(w)), None
        for i in range(self.lod + 1):
            if i == self.lod and self.blend < 1:
                below = _up(self._to_rgb(i - 1, x))
            block = f"G/block{i}"
            x = _blur(self._up_conv(f"{block}/conv1", x)) if i else x
            for k in (1, 2):
                x = self._conv(f"{block}/conv2", x) if k == 2 else x
                x = self._styled(f"{block}/styled{k}", x, noise[2 * i + k - 1], w[:, 2 * i + k - 1])
        image = self._to_rgb(self.lod, x)
        return image if below is None else torch.lerp(below, image, self.blend)

    def E(self, x):
        """Map images to w."""
        image, w = x, 0.0
        x = self._from_rgb(self.lod, x)
        for i in range(self.lod, -1, -1):
            part = 0.0
            for k in (1, 2):
                x = self._conv(f"E/block{i}/conv1", x) if k == 1 else self._down_conv(f"E/block{i}/conv2", _blur(x))
                x, more = self._described(f"E/block{i}/described{k}", x)
                part = part + more
            if i == self.lod and self.blend < 1:
                part, x = part * self.blend, torch.lerp(self._from_rgb(i - 1, _down(image)), x, self.blend)
            w = w + part
        return w

    def _constant(self, count):
        return self.p["G/const"][None]

    def _styled(self, name, x, noise, w):
        x = _leaky(x + noise * _channels(self.p[f"{name}/noise"]) + _channels(self.p[f"{name}/bias"]))
        x = functional.instance_norm(x, eps=1e-8)
        s0, s1 = self._style(name, w)
        return torch.addcmul(s1, x, s0 + 1)

    def _style(self, name, w):
        return self._dense(f"{name}/style", w, gain=1.0)[:, :, None, None].chunk(2, dim=1)

    def _described(self, name, x):
        x = _leaky(x + _channels(self.p[f"{name}/bias"]))
        mean = x.mean((2, 3), keepdim=True)
        variance = (x - mean).square().mean((2, 3), keepdim=True)
        return (x - mean) * torch.rsqrt(variance + 1e-5), self._statistics(name, mean, variance)

    def _statistics(self, name, mean, variance):
        return self._dense(f"{name}/style", torch.cat([mean, torch.sqrt(variance + 1e-10)], 1)[:, :, 0, 0])

    def _dense(self, name, x, gain=2**0.5, lrmul=1.0):
        kernel = self.p[f"{name}/kernel"]
        scale = gain / kernel.shape[1] ** 0.5 * lrmul
        return functional.linear(x, kernel * scale, self.p[f"{name}/bias"] * lrmul)

    def _kernel(self, name, gain=2**0.5):
        kernel = self.p[f"{name}/kernel"]
        return kernel * (gain / np.prod(kernel.shape[1:]) ** 0.5)

    def _conv(self, name, x, gain=2**0.5, bias=None):
        kernel = self._kernel(name, gain)
        return functional.conv2d(x, kernel, bias, padding=kernel.shape[2] // 2)

    def _up_conv(self, name, x):
        return self._conv(name, _up(x))

    def _down_conv(self, name, x):
        return _down(self._conv(name, x))

    def _to_rgb(self, i, x):
        return self._conv(f"G/to_rgb{i}", x, 0.03, self.p[f"G/to_rgb{i}/bias"])

    def _from_rgb(self, i, x):
        return _leaky(self._conv(f"E/from_rgb{i}", x, bias=self.p[f"E/from_rgb{i}/bias"]), 0.04)


class Inference(Networks):
    """The same without gradients: operations after a convolution work in place on its output.

    Resampling is part of the convolution, a kernel of 4×4 with stride 2.
    """

    def _constant(self, count):
        return self.p["G/const"].repeat(count, 1, 1, 1)

    def _styled(self, name, x, noise, w):
        x.add_(noise * _channels(self.p[f"{name}/noise"]) + _channels(self.p[f"{name}/bias"]))
        _, variance = _centred_(functional.leaky_relu_(x, 0.2))
        s0, s1 = self._style(name, w)
        return x.mul_(torch.rsqrt(variance + 1e-8) * (s0 + 1)).add_(s1)

    def _described(self, name, x):
        mean, variance = _centred_(functional.leaky_relu_(x.add_(_channels(self.p[f"{name}/bias"])), 0.2))
        return x.mul_(torch.rsqrt(variance + 1e-5)), self._statistics(name, mean, variance)

    def _up_conv(self, name, x):
        kernel = _four_by_four(self._kernel(name).flip(2, 3).transpose(0, 1))
        return functional.conv_transpose2d(x, kernel, stride=2, padding=1)

    def _down_conv(self, name, x):
        return functional.conv2d(x, _four_by_four(self._kernel(name)) / 4, stride=2, padding=1)

    def _from_rgb(self, i, x):
        return functional.leaky_relu_(self._conv(f"E/from_rgb{i}", x, bias=self.p[f"E/from_rgb{i}/bias"]), 0.04)


def _centred_(x):
    """Subtract each map's mean in place; returns the means and variances."""
    mean = x.mean((2, 3), keepdim=True)
    return mean, x.sub_(mean).square().mean((2, 3), keepdim=True)


def _four_by_four(kernel):
    """Return the kernel (…, 3, 3) summed over 2×2 neighbours."""
    kernel = functional.pad(kernel, (1, 1, 1, 1))
    kernel = kernel[..., 1:, :] + kernel[..., :-1, :]
    return kernel[..., 1:] + kernel[..., :-1]


def _native(array):
    """Convert weights to PyTorch's layout: kernels (outputs, inputs, …), for convolutions in channels-last format."""
    tensor = torch.tensor(array, device=_DEVICE)
    if tensor.ndim == 4:
        return tensor.permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)
    if tensor.ndim == 3:
        return tensor.permute(2, 0, 1).contiguous()
    return tensor.T.contiguous() if tensor.ndim == 2 else tensor


def _leaky(x, slope=0.2):
    return functional.leaky_relu(x, slope)


def _up(x):
    return functional.interpolate(x, scale_factor=2, mode="nearest")


def _down(x):
    return functional.avg_pool2d(x, 2)


def _blur(x):
    return functional.conv2d(x, _BLUR[: x.shape[1]], padding=1, groups=x.shape[1])


def _channels(vector):
    return vector[:, None, None]


def make_step(config: Config, weights: dict[str, np.ndarray], images: np.ndarray, blend: float) -> Callable[[], object]:
    """Return a function that takes one training step on `images` of the level's resolution and returns its losses."""
    batch, gamma, choice, style = len(images), config.r1_gamma, config.adam, config.style
    lod, decay = (images.shape[1] // 4).bit_length() - 1, 0.5 ** (len(images) / config.average_halflife)
    layers = 2 * (lod + 1)
    p = {name: _native(value).requires_grad_() for name, value in weights.items()}
    n = Networks(p, style.mapping_layers, lod, blend)
    F, G, E, D = n.F, n.G, n.E, n.D

    def adam(networks):
        parameters = [value for name, value in p.items() if name[0] in networks]
        betas = (choice.beta1, choice.beta2)
        return torch.optim.Adam(parameters, choice.learning_rate, betas, choice.epsilon, fused=True)

    encoder, decoder = adam("ED"), adam("FG")
    averages = [value.detach().clone() for value in p.values()]
    mean_of_w = torch.zeros(style.w, device=_DEVICE)

    def update(loss, networks, *optimizers):
        names = [name for name in p if name[0] in networks]
        gradients = torch.autograd.grad(loss, [p[name] for name in names], allow_unused=True)
        for value in p.values():
            value.grad = None
        for name, gradient in zip(names, gradients, strict=True):
            p[name].grad = gradient
        for optimizer in optimizers:
            optimizer.step()
        return loss.detach()

    def draw():
        sizes = [4 * 2 ** (k // 2) for k in range(layers)]
        noise = [torch.randn(batch if k else 1, 1, size, size, device=_DEVICE) for k, size in enumerate(sizes)]
        z = torch.randn(batch, style.z, device=_DEVICE)
        with torch.no_grad():
            mean_of_w.lerp_(F(z).mean(0), 1 - style.w_mean_beta)
        return z, noise

    def fake():
        z, noise = draw()
        w, other = F(z), F(torch.randn(batch, style.z, device=_DEVICE))
        # Drawn on the host, so that nothing waits for the device.
        cutoff = int(torch.randint(1, layers + 1, ()))
        w = torch.where(torch.arange(layers, device=_DEVICE)[:, None] < cutoff, w[:, None], other[:, None])
        return G(w, noise)

    real_images = torch.tensor(images, device=_DEVICE).permute(0, 3, 1, 2)
    real_images = real_images.contiguous(memory_format=torch.channels_last)

    def run():
        x = real_images.detach().requires_grad_()
        with torch.no_grad():
            made = fake()
        real = D(E(x))
        (gradient,) = torch.autograd.grad(real.sum(), x, create_graph=True)
        penalty = gamma / 2 * gradient.square().sum((1, 2, 3)).mean()
        loss = functional.softplus(D(E(made))).mean() + functional.softplus(-real).mean() + penalty
        losses = [update(loss, "ED", encoder)]
        losses.append(update(functional.softplus(-D(E(fake()))).mean(), "FG", decoder))
        z, noise = draw()
        w = F(z)
        code = E(G(w[:, None].expand(-1, layers, -1), noise))
        losses.append(update((w.detach() - code).square().mean(), "EGF", encoder, decoder))
        with torch.no_grad():
            torch._foreach_lerp_(averages, list(p.values()), 1 - decay)
        return losses

    return run


def make_inference(
    config: Config, weights: dict[str, np.ndarray], noise: Sequence[np.ndarray]
) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Return functions that `encode`, `generate` and `reconstruct` one chunk, with one noise for all images."""
    p = {name: _native(value) for name, value in weights.items()}
    n = Inference(p, config.style.mapping_layers, config.lods - 1)
    maps = [torch.tensor(each, device=_DEVICE).permute(0, 3, 1, 2) for each in noise]

    def encode(x):
        # Images in NHWC order are in channels-last format already.
        return n.E(x.permute(0, 3, 1, 2))

    def generate(w):
        return n.G(w[:, None].expand(-1, 2 * config.lods, -1), maps).permute(0, 2, 3, 1)

    def on_arrays(function):
        @torch.no_grad()
        def run(array):
            return function(torch.from_numpy(array).to(_DEVICE)).cpu().numpy()

        return run

    functions = {"encode": encode, "generate": generate, "reconstruct": lambda x: generate(encode(x))}
    return {name: on_arrays(function) for name, function in functions.items()}
