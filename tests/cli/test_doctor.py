"""`alae doctor`."""

import pytest


@pytest.mark.slow
def test_every_backend_is_listed(run_alae):
    code, out, _ = run_alae("doctor")
    assert code == 0
    lines = {line.split()[0]: line for line in out.splitlines()}
    for backend in ("jax", "torch", "tensorflow"):
        assert "ready: keras" in lines[backend] or "pip install" in lines[backend]
