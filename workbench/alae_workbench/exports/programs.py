"""The functions of a model that exports contain, and examples of their inputs and outputs.

F: z to w. G: w to images, or for style networks the styles of all layers to images. E: images to w. D: w to logits.
`generate` is G∘F, with truncation for style networks; `reconstruct` is G∘E.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from alae_core import ArgumentError
from alae_core.program import Port, Program
from alae_core.streams import noise_shapes

if TYPE_CHECKING:
    from alae_core import Alae

#: the names of programs
ProgramName = Literal["F", "G", "E", "D", "generate", "reconstruct"]
PROGRAM_NAMES: tuple[ProgramName, ...] = get_args(ProgramName)
#: noise of style networks in exports: the constants of every other command, an input for each layer, none, or `bump`
ExportedNoise = Literal["fixed", "input", "none", "bump"]

# The networks that each program uses.
_NETWORKS = {"F": "F", "G": "G", "E": "E", "D": "D", "generate": "FG", "reconstruct": "EG"}
# Rows of the examples.
_ROWS = (3, 1)


def make_programs(model: "Alae", names: Sequence[str] = PROGRAM_NAMES, noise: ExportedNoise = "fixed") -> list[Program]:
    """Make the programs of these names at the level of detail `model.view`.

    Programs of networks that the model lacks are left out, and D if it judges images, because it then compares the
    images of a batch.

    Raises ArgumentError if a name is unknown, the model has no program of these, or `noise` is not allowed.
    """
    for name in names:
        if name not in PROGRAM_NAMES:
            raise ArgumentError("functions", f"has {name}; it must be some of {', '.join(PROGRAM_NAMES)}")
    if noise not in get_args(ExportedNoise):
        raise ArgumentError("noise", f"is {noise}; in an export it must be one of {', '.join(get_args(ExportedNoise))}")
    possible = [name for name in names if _is_possible(model, name)]
    if not possible:
        raise ArgumentError("functions", f"are {', '.join(names)}, but the algorithm {model.config.algorithm} has none")
    maker = _Maker(model, noise)
    return [maker.make(name) for name in PROGRAM_NAMES if name in possible]


def make_examples(model: "Alae", programs: Sequence[Program], noise: ExportedNoise = "fixed") -> dict[str, np.ndarray]:
    """Return inputs of each program, and the outputs that `model` computes for them, for batches of 3 and 1 rows.

    Their names are "program/case/input" and "program/case/expected".
    """
    arrays = {}
    for program in programs:
        for case, rows in enumerate(_ROWS):
            inputs = _draw_inputs(model, program, rows)
            expected = compute_program(model, program.name, inputs, noise)
            for name, array in (inputs | {"expected": expected}).items():
                arrays[f"{program.name}/{case}/{name}"] = array
    return arrays


def _is_possible(model: "Alae", name: str) -> bool:
    return model.has(_NETWORKS[name]) and (name != "D" or model.config.networks.discriminator == "latent")


class _Maker:
    """Makes the programs of one model.

    Each function runs in the mode that is fastest without gradients (`without_gradients`), like the methods of `Alae`.
    """

    def __init__(self, model: "Alae", noise: ExportedNoise) -> None:
        self.model, self.family, self.config = model, model.family, model.config
        # Copied here, because a function that is being traced cannot read a variable as an array.
        view, self.mean = model.view, model.mean_of_w()
        self.level: dict[str, Any] = {} if view is None else {"lod": view.lod, "blend": view.blend}
        self.noise, self.maps = _choose_noise(model, noise)

    def make(self, name: str) -> Program:
        networks, config = self.config.networks, self.config
        z, w = Port("z", (None, networks.z)), Port("w", (None, networks.w))
        images = Port("images", (None, *self.model.image_shape()))
        styles = self.family.has_styles
        lods = 0 if self.model.view is None else self.model.view.lod + 1
        psi = [Port("psi", ())] if styles and self.mean is not None else []
        latents = Port("styles", (None, 2 * lods, networks.w)) if styles else w
        code = z if config.reciprocity == "z" else w
        family, level = self.family, self.level
        table: dict[str, tuple[list[Port], Port, Callable[..., Any], str]] = {
            "F": ([z], w, family.map, "w = F(z)"),
            "G": ([latents], images, partial(family.generate, **level), f"images = G({latents.name})"),
            "E": ([images], code, partial(family.encode, **level), f"{code.name} = E(images)"),
            "D": ([w], Port("logits", (None,)), family.discriminate, "logits = D(w)"),
            "generate": ([z, *psi], images, self._sample, "images = G(F(z))"),
            "reconstruct": ([images], images, partial(family.reconstruct, **level), "G(E(images))"),
        }
        inputs, output, function, meaning = table[name]
        networks_used = _NETWORKS[name] + ("F" if name == "reconstruct" and config.reciprocity == "z" else "")
        takes_labels, takes_noise = any(map(config.classes_of, networks_used)), "G" in networks_used
        labels = [Port("labels", (None,), "int64")] if takes_labels else []

        def compute(*given: Any) -> Any:
            first, rest = given[: len(inputs)], given[len(inputs) :]
            drawing: dict[str, Any] = {"labels": self._one_hot(rest[0])} if takes_labels else {}
            if takes_noise:
                drawing["noise"] = list(rest[len(labels) :]) or self.noise
            return function(*first, **drawing)

        if output in inputs:
            output = Port("output", output.shape)
        ports = (*inputs, *labels, *(self.maps if takes_noise else []))
        return Program(name, meaning, _without_gradients(compute), ports, output)

    def _sample(self, z: Any, psi: Any = None, *, noise: Any, labels: Any = None) -> Any:
        w = self.family.map(z, labels=labels)
        w = w if self.mean is None else self._truncate(w, psi)
        return self.family.generate(w, labels=labels, noise=noise, **self.level)

    def _truncate(self, w: Any, psi: Any) -> Any:
        """Truncate as `truncation.truncate` does, on tensors, for the layers of this level."""
        from keras import ops

        layers = 2 * (self.level["lod"] + 1)
        near = psi * w + (1 - psi) * ops.convert_to_tensor(self.mean)
        truncated = self.config.style.truncation_layers
        return ops.stack([near if layer < truncated else w for layer in range(layers)], axis=1)

    def _one_hot(self, labels: Any) -> Any:
        from keras import ops

        return ops.one_hot(labels, self.config.labels, dtype=self.config.dtype)


def _choose_noise(model: "Alae", noise: ExportedNoise) -> tuple[Any, list[Port]]:
    """Return the noise of `Family.generate`, and the inputs for noise maps."""
    from keras import ops

    view = model.view
    if view is None or noise == "none":
        return None, []
    if noise == "input":
        shapes = noise_shapes(view.lod, 1)
        # The first map is added to the learned constant, before there is a batch.
        return None, [Port(f"noise{i}", (None if i else 1, *shape[1:])) for i, shape in enumerate(shapes)]
    return ("bump" if noise == "bump" else [ops.convert_to_tensor(array) for array in model.sample_noise(1)]), []


def _without_gradients(function: Callable[..., Any]) -> Callable[..., Any]:
    from alae_core.networks.features import without_gradients

    def call(*inputs: Any) -> Any:
        with without_gradients():
            return function(*inputs)

    return call


def _draw_inputs(model: "Alae", program: Program, rows: int) -> dict[str, np.ndarray]:
    """Draw the inputs of a program: latents and noise from N(0, 1), images from [−1, 1], ψ = 0.7."""
    rng = np.random.default_rng(rows)
    inputs: dict[str, np.ndarray] = {}
    for port in program.inputs:
        shape = [rows if size is None else size for size in port.shape]
        if port.name == "labels":
            inputs[port.name] = rng.integers(0, model.config.labels, shape)
        elif port.name == "images":
            inputs[port.name] = rng.uniform(-1, 1, shape).astype(np.float32)
        elif port.name == "psi":
            inputs[port.name] = np.array(0.7, np.float32)
        else:
            inputs[port.name] = rng.standard_normal(shape, np.float32)
    return inputs


def compute_program(model: "Alae", name: str, inputs: Mapping[str, np.ndarray], noise: ExportedNoise) -> np.ndarray:
    """Compute the output of the program `name` for its inputs with the methods of `Alae`, and raise their errors."""
    maps: Any = [array for key, array in inputs.items() if key.startswith("noise")]
    drawing: dict[str, Any] = {"noise": maps or ("none" if noise == "input" else noise), "labels": inputs.get("labels")}
    match name:
        case "F":
            return model.map(inputs["z"], labels=inputs.get("labels"))
        case "G":
            return model.generate(inputs["styles" if "styles" in inputs else "w"], **drawing)
        case "E":
            return model.encode(inputs["images"], labels=inputs.get("labels"))
        case "D":
            return model.discriminate(inputs["w"], labels=inputs.get("labels"))
        case "generate":
            w = model.map(inputs["z"], labels=inputs.get("labels"))
            return model.generate(w if "psi" not in inputs else model.truncate(w, float(inputs["psi"])), **drawing)
        case _:
            return model.reconstruct(inputs["images"], **drawing)
