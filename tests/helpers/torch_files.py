"""Values that PyTorch checkpoints hold, and a reader of all tensors in one."""

from collections import OrderedDict

from alae_workbench.exchange.torch_files import Tensor, read_torch_file


def read_all(path):
    """Return the content of a file, and the array of every tensor in it."""
    saved, numbers = read_torch_file(path)
    return saved, [numbers(tensor) for tensor in tensors_in(saved)]


def tensors_in(value, depth=5):
    if isinstance(value, Tensor):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return [each for part in inner for each in tensors_in(part, depth - 1)] if depth else []


def everything():
    """Return a value of every kind that PyTorch checkpoints hold."""
    import torch

    base = torch.arange(60, dtype=torch.float32).reshape(3, 4, 5)
    layer = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    return {
        "plain": base,
        "transposed": base.transpose(0, 2),
        "slices": [base[1:], base[:, ::2], base[..., 3], base[2, 1:3, 1:4:2]],
        "other kinds": tuple(
            torch.tensor([[1, 0, 3], [0, 5, 6]]).to(kind)
            for kind in (
                torch.float64,
                torch.float16,
                torch.int64,
                torch.int32,
                torch.int16,
                torch.int8,
                torch.uint8,
                torch.bool,
            )
        ),
        "scalar": torch.tensor(2.5),
        "empty": torch.empty(0),
        "empty rows": torch.empty(0, 7, 2),
        "one by one": base[:1, :1, :1],
        "parameter": torch.nn.Parameter(torch.full((2, 2), 0.1)),
        "module": layer.state_dict(),
        "containers": OrderedDict(a=[1, 2.5, None, True], b=("x", "é", {3: "y"})),
        "numbers": [0, -1, 255, 70_000, -(2**31), 2**40, 2**100, float("inf"), -0.0],
        "nothing": [[], (), {}, ""],
        "again": [base, base],
    }
