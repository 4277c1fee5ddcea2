"""States of checkpoints with a correct SHA-256 but false headers, or arrays that do not fit the model."""

import json
import struct

import numpy as np
import pytest

import alae_core as alae
from alae_core.checkpoint_writing import write_checkpoint
from tests.conftest import tiny_config
from tests.fuzz import attempt, cases
from tests.fuzz.hostile import TEXTS, VALUES, pick
from tests.helpers.checkpoints import rewrite_state

DTYPES = ["F64", "F32", "F16", "BF16", "F8_E5M2", "F8_E4M3", "F4", "I64", "U64", "I8", "BOOL", "C64", "x", "", None, 3]
SHAPES = [
    [],
    [0],
    [-1],
    [1] * 40,
    [2**62, 4],
    [2**63],
    [0, 2**62],
    [2**64],
    [1.5],
    ["x"],
    None,
    {},
    3,
    [10**30],
    [3, 7],
]
OFFSETS = [0, 1, 4, 8, -1, 2**31, 2**62, 2**63, 2**64, 10**30, 0.5, "x", None]
ARRAYS = [
    *(np.full(11, np.nan, np.float32), np.full((11, 7), np.inf), np.zeros(11, bool), np.zeros(11, np.complex64)),
    *(np.zeros(0), np.zeros(()), np.full((), 2**63, np.uint64), np.full((), -1), np.full((5, 11), 3e38, np.float32)),
    *(np.zeros((11, 5), np.float16), np.zeros(11, np.int64), np.full(11, 1e300), np.zeros((1,) * 20, np.float32)),
]


def split(content):
    size = struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def join(header, data, size=None):
    text = header if isinstance(header, bytes) else json.dumps(header, default=str).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + data


def falsify_header(random, content):
    """Return the bytes of a state with a false header."""
    header, data = split(content)
    name = pick(random, sorted(header))
    match random.integers(12):
        case 0:
            header[name]["dtype"] = pick(random, DTYPES)
            if random.random() < 0.7:
                # Keep the number of bytes.
                start, end = header[name]["data_offsets"]
                header[name]["shape"] = [(end - start) // pick(random, [1, 2, 4, 8])]
        case 1 if random.random() < 0.4:
            header[name]["shape"] += [1] * int(pick(random, [1, 40, 99]))
        case 1:
            header[name]["shape"] = pick(random, SHAPES)
        case 2:
            header[name]["data_offsets"][random.integers(2)] = pick(random, OFFSETS)
        case 3:
            header[name]["data_offsets"] = header[pick(random, sorted(header))]["data_offsets"]
        case 4:
            header[pick(random, TEXTS)] = header.pop(name)
        case 5:
            header[name] = pick(random, VALUES)
        case 6:
            header["__metadata__"] = pick(random, [{"a": "b"}, {"a": 1}, *VALUES])
        case 7:
            return join(header, data, pick(random, [0, 1, 2**20, 10**8, 2**31, 2**63 - 1, 2**64 - 1]))
        case 8:
            data = data[: random.integers(len(data))] if random.random() < 0.5 else data + bytes(random.integers(1, 99))
        case 9:
            empty = {"dtype": "F32", "shape": [0], "data_offsets": [len(data)] * 2}
            header |= {f"x{number}": empty for number in range(random.integers(1, 3000))}
        case 10:
            return join(b"[" * random.integers(1, 5000) + pick(random, TEXTS).encode(errors="replace"), data)
        case _:
            content = bytearray(content)
            for at in random.integers(len(content) - len(data), size=random.integers(1, 9)):
                content[at] = random.integers(256)
            return bytes(content)
    return join(header, data)


def change_arrays(random, state):
    """Return a state with an array removed, replaced or added."""
    state, name = dict(state), pick(random, sorted(state))
    match random.integers(6):
        case 0:
            del state[name]
        case 1:
            state[pick(random, [text for text in TEXTS if len(text) < 999])] = pick(random, ARRAYS)
        case 2:
            state[name] = state[name].reshape(-1)
        case 3:
            # Random bytes: some numbers are not finite.
            state[name] = np.frombuffer(random.bytes(state[name].nbytes), state[name].dtype).reshape(state[name].shape)
        case 4:
            state[name] = np.ascontiguousarray(state[name].T)
        case _:
            state[name] = pick(random, ARRAYS)
    return state


@pytest.fixture(scope="module")
def runner(backend):
    return backend.runner(alae.build(tiny_config()))


def load_everywhere(path, runner):
    """Load a checkpoint into a model and a runner; returns the checkpoint."""
    checkpoint = alae.load_checkpoint(path)
    assert all(np.isfinite(array).all() for array in checkpoint.state.values())
    checkpoint.model()
    runner.load(checkpoint.state)
    return checkpoint


def test_safetensors(tmp_path, backend, runner):
    state = runner.state()
    path = write_checkpoint(tmp_path, state, runner.model.config, author=backend)
    content = (path / "state.safetensors").read_bytes()
    load_everywhere(path, runner)
    for case, random in cases():
        changed = falsify_header(random, content) if random.random() < 0.6 else change_arrays(random, state)
        rewrite_state(path, changed)
        size = (path / "state.safetensors").stat().st_size
        attempt(lambda: load_everywhere(path, runner), size, about=f"case {case}")
