"""Write checkpoints of format 1, and change checkpoints while their SHA-256 stays valid."""

import hashlib
import json

import numpy as np
import safetensors.numpy


def rewrite_manifest(path, change):
    """Apply a function to the data of a manifest, and write the result with a valid SHA-256."""
    manifest = json.loads(path.read_text())
    del manifest["sha256"]
    manifest = json.loads(json.dumps(change(manifest), default=str))
    manifest["sha256"] = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
    path.write_text(json.dumps(manifest))


def rewrite_state(checkpoint, content):
    """Replace the state file of a checkpoint by arrays or bytes, with a valid SHA-256 in the manifest."""
    content = content if isinstance(content, bytes) else safetensors.numpy.save(content)
    (checkpoint / "state.safetensors").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    rewrite_manifest(checkpoint / "manifest.json", lambda manifest: manifest | {"files": {"state.safetensors": digest}})


#: the configuration of the tiny model as a manifest of format 1 held it
FORMAT_1_CONFIG = {
    "description": "",
    "image": [4, 3, 2],
    "labels": 0,
    "networks": {
        "family": "mlp",
        "z": 5,
        "w": 7,
        "equalized": False,
        **{
            name: {"hidden": hidden, "slope": 0.2, "activate_output": False, "pixel_norm": False, "lrmul": 1.0}
            for name, hidden in {"F": [11], "G": [13, 9], "E": [12, 10], "D": [8]}.items()
        },
    },
    "growth": None,
    "objective": "logistic",
    "r1_gamma": 100.0,
    "reciprocity": "latent",
    "updates": "paper",
    "adam": {"learning_rate": 0.001, "warmup": 0.999, "beta1": 0.0, "beta2": 0.99, "epsilon": 1e-08},
    "average_halflife": 10000.0,
    "precision": "float32",
    "training": {
        "data": "digits",
        "steps": 20,
        "margin": 0,
        "mirror": False,
        "batch_size": 6,
        "held_out": 360,
        "seed": 0,
        "report_every": 50,
        "checkpoint_every": 1000,
        "keep_checkpoints": 3,
        "grid_every": 128000,
    },
}


def write_format_1(path, state, config, seed=0):
    """Write a checkpoint of format 1, as the first version of alae did."""
    path.mkdir(parents=True)
    content = safetensors.numpy.save({name: np.array(array, order="C") for name, array in state.items()})
    manifest = {
        "format": 1,
        "step": int(state["step"]),
        "seed": seed,
        "metric": 0.25,
        "backend": "torch",
        "versions": {"alae": "0.1.0", "keras": "3.12.0", "torch": "2.6.0"},
        "config": config,
        "files": {"state.safetensors": hashlib.sha256(content).hexdigest()},
    }
    manifest["sha256"] = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
    path.joinpath("state.safetensors").write_bytes(content)
    path.joinpath("manifest.json").write_text(json.dumps(manifest, indent=2))
