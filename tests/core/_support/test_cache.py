"""The directory of the cache, and that of compiled programs."""

import os
import platform
from pathlib import Path

import pytest

from alae_core._support import cache


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"ALAE_CACHE": "/scratch/alae", "XDG_CACHE_HOME": "/xdg"}, "/scratch/alae"),
        ({"ALAE_CACHE": "mine"}, "mine"),
        ({"XDG_CACHE_HOME": "/xdg"}, "/xdg/alae"),
        ({"ALAE_CACHE": "", "XDG_CACHE_HOME": ""}, "/home/ada/.cache/alae"),
        ({"XDG_CACHE_HOME": "relative"}, "/home/ada/.cache/alae"),
        ({}, "/home/ada/.cache/alae"),
    ],
)
def test_the_root_is_alae_cache_or_xdg_or_in_the_home_directory(monkeypatch, environment, expected):
    for name in ("ALAE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/ada", **environment}.items():
        monkeypatch.setenv(name, value)
    assert cache.cache_directory() == Path(expected)


def test_a_user_without_a_home_directory_has_a_cache(monkeypatch):
    def find_no_home():
        raise RuntimeError("Could not determine home directory.")

    for name in ("ALAE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", find_no_home)
    assert cache.cache_directory() == Path("/.cache/alae")


def test_compiled_programs_are_shared_by_equal_processors_and_versions(tmp_path, monkeypatch):
    monkeypatch.setenv("ALAE_CACHE", str(tmp_path))
    first = cache.compiled_directory("jax", "0.10.2")
    assert first.parent == tmp_path / "compiled"
    monkeypatch.setattr(platform, "node", lambda: "another-pod")
    assert cache.compiled_directory("jax", "0.10.2") == first
    monkeypatch.setattr(cache, "describe_processor", lambda: "x86_64; avx2")
    assert len({first, cache.compiled_directory("jax", "0.10.2"), cache.compiled_directory("jax", "0.11.0")}) == 3


def test_a_cache_that_cannot_be_written_has_no_compiled_programs(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("ALAE_CACHE", str(tmp_path / "file"))
    assert cache.compiled_directory("jax", "0.10.2") is None


@pytest.mark.skipif(not os.path.exists("/proc/cpuinfo"), reason="Linux describes the processor in this file")
def test_the_description_of_the_processor_has_its_instruction_sets():
    described = cache.describe_processor()
    assert described.startswith(platform.machine())
    assert len(described.split()) > 10
    assert described == cache.describe_processor()
