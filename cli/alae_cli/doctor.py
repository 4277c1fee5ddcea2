"""`alae presets` and `alae doctor`: what there is to train, and on what."""

from alae_cli.commands import Commands
from alae_core import AlaeError

presets = Commands(help="The configurations that ship with alae.")


@presets.command("list")
def list_presets() -> None:
    """Name every preset and say what it is."""
    from alae_core._support.yaml_text import parse_yaml
    from alae_core.config import preset_names, preset_text

    names = preset_names()
    width = max(map(len, names))
    for name in names:
        print(f"{name:{width}}  {parse_yaml(preset_text(name))['description']}")


@presets.command("show")
def show_preset(name: str) -> None:
    """Print a preset as YAML, to be copied and trained by `alae train --config`."""
    from alae_core.config import preset_text

    print(preset_text(name), end="")


def doctor() -> None:
    """Say which backends work here, with versions and devices, and what to install for the rest."""
    import os
    import subprocess
    import sys

    from alae_core import installed_backends

    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment.pop("KERAS_BACKEND", None)
    # A process each: Keras runs on one framework per process.
    processes = {
        name: subprocess.Popen(
            [sys.executable, "-m", "alae_cli.doctor", name],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for name in installed_backends()
    }
    print(f"Python {sys.version.split()[0]}")
    for name, process in processes.items():
        out, err = process.communicate()
        lines = out.strip().splitlines()
        last_word = (err.strip().splitlines() or ["it ended without a word"])[-1]
        print(f"{name:12}{lines[-1] if process.returncode == 0 and lines else last_word}")


def _examine(name: str) -> str:
    from alae_core import load_backend

    try:
        backend = load_backend(name)
    except AlaeError as error:
        return f"not usable: {error}"
    versions = ", ".join(f"{package} {version}" for package, version in backend.versions().items())
    return f"ready: {versions}; devices: {', '.join(backend.devices())}; default {backend.device}"


if __name__ == "__main__":
    import sys

    print(_examine(sys.argv[1]))
