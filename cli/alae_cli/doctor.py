"""`alae doctor`."""

from pathlib import Path
from typing import Annotated, Any

import typer


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with sizes in bytes, for bug reports.")] = False,
) -> None:
    """List versions, memory, GPUs, the cache and backends, and what to install for backends that are not usable.

    Also lists the algorithms, families of networks and objectives of alae and of installed packages.
    """
    found = _describe_installation()
    if as_json:
        import json

        print(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        for name, text in _format_lines(found):
            print(f"{name:12}{text}")


def _describe_installation() -> dict[str, Any]:
    import platform
    from os import cpu_count

    from alae_core import __version__
    from alae_core._support.cache import cache_directory
    from alae_core._support.quiet import is_writable
    from alae_core.lookup import installed_plugins
    from alae_core.plugin_kinds import KINDS
    from alae_core.sizes import find_memory

    cache = cache_directory()
    return {
        "alae": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processors": cpu_count(),
        "memory": {"total": find_memory(), "available": _find_available_memory()},
        "gpus": _list_gpus(),
        "cache": {
            "path": str(cache),
            "size": _measure_folder(cache),
            "folders": {folder.name: _measure_folder(folder) for folder in sorted(cache.glob("*/"))},
            "writable": is_writable(cache),
        },
        "backends": _describe_backends(),
        **{
            kind.table.lower(): dict.fromkeys(kind.own, "alae")
            | {name: entry.value for name, entry in installed_plugins(kind).items()}
            for kind in KINDS
        },
    }


def _format_lines(found: dict[str, Any]) -> list[tuple[str, str]]:
    from alae_core.plugin_kinds import KINDS
    from alae_core.sizes import format_bytes

    def format_room(room: dict[str, int | None]) -> str:
        known = {key: format_bytes(size) for key, size in room.items() if key in ("total", "available") and size}
        return ", ".join(f"{size} {key}" for key, size in known.items()) or "unknown"

    cache = found["cache"]
    folders = ", ".join(f"{name} {format_bytes(size)}" for name, size in cache["folders"].items())
    return [
        ("alae", found["alae"]),
        ("Python", f"{found['python']} on {found['platform']}, {found['processors']} processors"),
        ("memory", format_room(found["memory"])),
        *((f"GPU {number}", f"{gpu['name']}, {format_room(gpu)}") for number, gpu in enumerate(found["gpus"])),
        ("cache", f"{cache['path']}{'' if cache['writable'] else ', not writable'}: {folders or 'empty'}"),
        *((name, _format_backend(backend)) for name, backend in found["backends"].items()),
        *(
            (table, ", ".join(name if origin == "alae" else f"{name} ({origin})" for name, origin in rows.items()))
            for table, rows in ((kind.table.lower(), found[kind.table.lower()]) for kind in KINDS)
        ),
    ]


def _find_available_memory() -> int | None:
    """Return the bytes of memory that are available without swapping; None if the system does not report them."""
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def _list_gpus() -> list[dict[str, Any]]:
    """Return the name and the bytes of memory of each NVIDIA GPU, as the driver reports them."""
    import subprocess
    from contextlib import suppress

    query = ["nvidia-smi", "--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits"]
    gpus: list[dict[str, Any]] = []
    # The program comes with the driver.
    with suppress(OSError, subprocess.SubprocessError, ValueError):
        out = subprocess.run(query, capture_output=True, text=True, check=True, timeout=20).stdout
        for line in out.splitlines():
            name, total, free = line.rsplit(", ", 2)
            gpus.append({"name": name, "total": int(total) * 2**20, "available": int(free) * 2**20})
    return gpus


def _measure_folder(path: Path) -> int:
    """Return the bytes of all files in a folder; 0 if it does not exist."""
    return sum(file.lstat().st_size for file in path.rglob("*") if file.is_file())


# ---- backends --------------------------------------------------------------------------------------------------------


def _describe_backends() -> dict[str, dict[str, Any]]:
    """Return what `_describe_backend` returns in a process per backend, because Keras runs on one framework in each."""
    import json
    import os
    import subprocess
    import sys

    from alae_core import installed_backends

    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment.pop("KERAS_BACKEND", None)
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
    found = {}
    for name, process in processes.items():
        out, err = process.communicate()
        lines = out.strip().splitlines()
        if process.returncode == 0 and lines:
            found[name] = json.loads(lines[-1])
        else:
            found[name] = {"usable": False, "problem": (err.strip().splitlines() or ["it ended without a message"])[-1]}
    return found


def _describe_backend(name: str) -> dict[str, Any]:
    from alae_core import AlaeError, load_backend

    try:
        backend = load_backend(name)
    except AlaeError as error:
        return {"usable": False, "problem": str(error)}
    found = {"versions": dict(backend.versions()), "devices": list(backend.devices()), "default": backend.device}
    return {"usable": True, **found}


def _format_backend(backend: dict[str, Any]) -> str:
    if not backend["usable"]:
        return f"not usable: {backend['problem']}"
    versions = ", ".join(f"{package} {version}" for package, version in backend["versions"].items())
    return f"ready: {versions}; devices: {', '.join(backend['devices'])}; default {backend['default']}"


if __name__ == "__main__":
    import json
    import sys

    print(json.dumps(_describe_backend(sys.argv[1])))
