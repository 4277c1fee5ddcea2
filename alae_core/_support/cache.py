"""The cache: the directory of everything that alae keeps between commands (docs/cluster.md).

features/   features of images: `alae_workbench.evaluation.cache`
hub/        models of the Hugging Face Hub: `alae_core.run_source`
runtime/    ONNX Runtime Web, for pages that run models in the browser: `alae_workbench.exports.runtime`
weights/    published weights of other networks: `alae_workbench.evaluation.pretrained`
plugins/    plug-ins that the user gave on this machine: `alae_core.plugin_code`
unpacked/   compressed archives of images: `alae_workbench.data.formats.compressed_tar`
compiled/   programs that frameworks compiled
"""

import os
import platform
from hashlib import sha256
from itertools import takewhile
from pathlib import Path

from alae_core._support.quiet import is_writable

# The fields of /proc/cpuinfo on which compiled code depends, on x86 and on ARM.
_FIELDS = ("vendor_id", "cpu family", "model", "flags", "CPU implementer", "CPU architecture", "CPU part", "Features")


def cache_directory() -> Path:
    """Return the cache: ALAE_CACHE, or `alae` in XDG_CACHE_HOME, or `.cache/alae` in the home directory."""
    if root := os.environ.get("ALAE_CACHE"):
        return Path(root)
    shared = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # By the XDG specification, relative paths are ignored.
    return (shared if shared.is_absolute() else _find_home() / ".cache") / "alae"


def compiled_directory(framework: str, version: str) -> Path | None:
    """Return the directory for programs that a framework compiled; None if it cannot be written.

    Machines with equal processors and versions share it, whatever their names. Code that was compiled for one processor
    may not run on another.
    """
    processor = sha256(describe_processor().encode()).hexdigest()[:12]
    path = cache_directory() / "compiled" / f"{framework}-{version}-{processor}"
    return path if is_writable(path) else None


def describe_processor() -> str:
    """Return the architecture, model and instruction sets of the CPU as text that is the same on equal CPUs."""
    fields = {}
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            # The first core ends with an empty line.
            for line in takewhile(str.strip, lines):
                name, _, value = line.partition(":")
                fields[name.strip()] = " ".join(sorted(value.split()))
    except OSError:
        fields["model"] = platform.processor()
    return "; ".join([platform.machine(), *(fields[name] for name in _FIELDS if name in fields)])


def _find_home() -> Path:
    try:
        return Path.home()
    except RuntimeError:
        # As containers set HOME for users without an entry in /etc/passwd.
        return Path("/")
