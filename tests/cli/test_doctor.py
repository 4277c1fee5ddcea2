"""`alae doctor`."""

import json

import pytest

import alae_core as alae
from alae_cli import doctor

BACKENDS = {
    "jax": {"usable": True, "versions": {"keras": "3", "jax": "1"}, "devices": ["gpu:0", "cpu:0"], "default": "gpu:0"},
    "torch": {"usable": False, "problem": "backend 'torch' needs torch, which is not installed"},
}


@pytest.fixture
def gpu(monkeypatch, tmp_path):
    """Replace the backends, which each need a process, and the driver's program."""
    monkeypatch.setattr(doctor, "_describe_backends", lambda: BACKENDS)
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'NVIDIA X, 24 GB, 24576, 24064'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setenv("ALAE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache" / "features").mkdir(parents=True)
    (tmp_path / "cache" / "features" / "f.f32").write_bytes(bytes(3_000_000))


def test_the_report_lists_versions_memory_gpus_the_cache_and_backends(run_alae, gpu, tmp_path):
    code, out, _ = run_alae("doctor")
    assert code == 0
    lines = {line[:12].strip(): line[12:] for line in out.splitlines()}
    assert lines["alae"] == alae.__version__
    assert " total, " in lines["memory"]
    assert lines["GPU 0"] == "NVIDIA X, 24 GB, 25.8 GB total, 25.2 GB available"
    assert lines["cache"] == f"{tmp_path / 'cache'}: features 3.0 MB"
    assert lines["jax"] == "ready: keras 3, jax 1; devices: gpu:0, cpu:0; default gpu:0"
    assert lines["torch"] == "not usable: backend 'torch' needs torch, which is not installed"
    assert lines["objectives"].startswith("logistic, ")


def test_json_has_sizes_in_bytes(run_alae, gpu, tmp_path):
    code, out, _ = run_alae("doctor", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["alae"] == alae.__version__
    assert 0 < found["memory"]["available"] <= found["memory"]["total"]
    assert found["gpus"] == [{"name": "NVIDIA X, 24 GB", "total": 24576 * 2**20, "available": 24064 * 2**20}]
    sizes = {"size": 3_000_000, "folders": {"features": 3_000_000}}
    assert found["cache"] == {"path": str(tmp_path / "cache"), "writable": True, **sizes}
    assert found["backends"] == BACKENDS
    assert found["families"]["conv"] == "alae"


def test_a_machine_without_a_driver_has_no_gpus(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert doctor._list_gpus() == []


@pytest.mark.slow
def test_every_backend_is_listed(run_alae):
    code, out, _ = run_alae("doctor")
    assert code == 0
    lines = {line.split()[0]: line for line in out.splitlines()}
    for backend in ("jax", "torch", "tensorflow"):
        assert "ready: keras" in lines[backend] or "pip install" in lines[backend]
