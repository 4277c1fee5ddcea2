"""`alae doctor`."""

from alae_core import AlaeError


def doctor() -> None:
    """List installed backends, their versions and devices, and what to install for the others.

    Also lists the algorithms, families of networks and objectives of alae and of installed packages.
    """
    import os
    import subprocess
    import sys

    from alae_core import installed_backends
    from alae_core.lookup import installed_plugins
    from alae_core.plugin_kinds import KINDS

    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment.pop("KERAS_BACKEND", None)
    # Keras runs on one framework per process.
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
        error = (err.strip().splitlines() or ["it ended without a message"])[-1]
        print(f"{name:12}{lines[-1] if process.returncode == 0 and lines else error}")
    for kind in KINDS:
        others = [f"{name} ({entry.value})" for name, entry in installed_plugins(kind).items()]
        print(f"{kind.table.lower():12}{', '.join([*kind.own, *others])}")


def _describe_backend(name: str) -> str:
    from alae_core import load_backend

    try:
        backend = load_backend(name)
    except AlaeError as error:
        return f"not usable: {error}"
    versions = ", ".join(f"{package} {version}" for package, version in backend.versions().items())
    return f"ready: {versions}; devices: {', '.join(backend.devices())}; default {backend.device}"


if __name__ == "__main__":
    import sys

    print(_describe_backend(sys.argv[1]))
