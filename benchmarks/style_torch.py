"""StyleALAE's training step, at one level and with the authors' updates, as one would write it in PyTorch."""

from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional

from alae_core import Config


def make_step(config: Config, weights: dict[str, np.ndarray], images: np.ndarray, blend: float) -> Callable[[], object]:
    """A function that trains one step on `images`, of the level's resolution, and returns something to wait for."""
    batch, gamma, choice, style = len(images), config.r1_gamma, config.adam, config.style
    lod, decay = (images.shape[1] // 4).bit_length() - 1, 0.5 ** (len(images) / config.average_halflife)
    layers, memory = 2 * (lod + 1), torch.channels_last

    def native(name, value):
        tensor = torch.tensor(value)
        if tensor.ndim == 4:
            tensor = tensor.permute(3, 2, 0, 1).contiguous(memory_format=memory)
        elif tensor.ndim == 3:
            tensor = tensor.permute(2, 0, 1).contiguous()
        elif tensor.ndim == 2:
            tensor = tensor.T.contiguous()
        return tensor.requires_grad_()

    p = {name: native(name, value) for name, value in weights.items()}

    def dense(name, x, gain=2**0.5, lrmul=1.0):
        kernel = p[f"{name}/kernel"]
        return functional.linear(x, kernel * (gain / kernel.shape[1] ** 0.5 * lrmul), p[f"{name}/bias"] * lrmul)

    def conv(name, x, gain=2**0.5, bias=None):
        kernel = p[f"{name}/kernel"]
        kernel = kernel * (gain / np.prod(kernel.shape[1:]) ** 0.5)
        return functional.conv2d(x, kernel, bias, padding=kernel.shape[2] // 2)

    def leaky(x, slope=0.2):
        return functional.leaky_relu(x, slope)

    def up(x):
        return functional.interpolate(x, scale_factor=2, mode="nearest")

    def down(x):
        return functional.avg_pool2d(x, 2)

    smooth = torch.tensor([1.0, 2.0, 1.0])
    smooth = (smooth[:, None] * smooth / 16).expand(1024, 1, 3, 3).contiguous()

    def blur(x):
        return functional.conv2d(x, smooth[: x.shape[1]], padding=1, groups=x.shape[1])

    def moments(x):
        mean = x.mean((2, 3), keepdim=True)
        return mean, (x - mean).square().mean((2, 3), keepdim=True)

    def channels(vector):
        return vector[:, None, None]

    def F(z):
        x = z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
        for i in range(style.mapping_layers):
            x = leaky(dense(f"F/dense{i}", x, lrmul=0.1))
        return x

    def D(w):
        for i in range(3):
            w = dense(f"D/dense{i}", w, lrmul=0.1)
        return w[:, 0]

    def to_rgb(i, x):
        return conv(f"G/to_rgb{i}", x, 0.03, p[f"G/to_rgb{i}/bias"])

    def G(w, noise):
        x = p["G/const"][None]
        for i in range(lod + 1):
            below = up(to_rgb(i - 1, x)) if i == lod else None
            block = f"G/block{i}"
            x = blur(conv(f"{block}/conv1", up(x))) if i else x
            for k in (1, 2):
                x = conv(f"{block}/conv2", x) if k == 2 else x
                name = f"{block}/styled{k}"
                x = leaky(x + noise[2 * i + k - 1] * channels(p[f"{name}/noise"]) + channels(p[f"{name}/bias"]))
                x = functional.instance_norm(x, eps=1e-8)
                s = dense(f"{name}/style", w[:, 2 * i + k - 1], gain=1.0)[:, :, None, None]
                s0, s1 = s.chunk(2, dim=1)
                x = torch.addcmul(s1, x, s0 + 1)
        return torch.lerp(below, to_rgb(lod, x), blend)

    def from_rgb(i, x):
        return leaky(conv(f"E/from_rgb{i}", x, bias=p[f"E/from_rgb{i}/bias"]), 0.04)

    def E(x):
        image, w = x, 0.0
        x = from_rgb(lod, x)
        for i in range(lod, -1, -1):
            part = 0.0
            for k in (1, 2):
                name = f"E/block{i}/described{k}"
                x = conv(f"E/block{i}/conv1", x) if k == 1 else down(conv(f"E/block{i}/conv2", blur(x)))
                x = leaky(x + channels(p[f"{name}/bias"]))
                mean, variance = moments(x)
                part = part + dense(f"{name}/style", torch.cat([mean, torch.sqrt(variance + 1e-10)], 1)[:, :, 0, 0])
                x = (x - mean) * torch.rsqrt(variance + 1e-5)
            if i == lod:
                part, x = part * blend, torch.lerp(from_rgb(lod - 1, down(image)), x, blend)
            w = w + part
        return w

    def adam(networks):
        parameters = [value for name, value in p.items() if name[0] in networks]
        betas = (choice.beta1, choice.beta2)
        return torch.optim.Adam(parameters, choice.learning_rate, betas, choice.epsilon, fused=True)

    encoder, decoder = adam("ED"), adam("FG")
    averages = [value.detach().clone() for value in p.values()]
    mean_of_w = torch.zeros(style.w)

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
        noise = [torch.randn(batch if k else 1, 1, size, size) for k, size in enumerate(sizes)]
        z = torch.randn(batch, style.z)
        with torch.no_grad():
            mean_of_w.lerp_(F(z).mean(0), 1 - style.w_mean_beta)
        return z, noise

    def fake():
        z, noise = draw()
        w, other = F(z), F(torch.randn(batch, style.z))
        cutoff = int(torch.randint(1, layers + 1, ()))
        w = torch.where(torch.arange(layers)[:, None] < cutoff, w[:, None], other[:, None])
        return G(w, noise)

    real_images = torch.tensor(images).permute(0, 3, 1, 2).contiguous(memory_format=memory)

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
