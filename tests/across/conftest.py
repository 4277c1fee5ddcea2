"""Every backend in its own long-lived process, because opening a framework takes longer than any comparison."""

from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context

import pytest

BACKENDS = ("jax", "torch", "tensorflow")


@contextmanager
def open_processes():
    """Yield on; on(backends, function, …) is {backend: function(backend, …)}, each computed in its own process."""
    with ExitStack() as stack:
        spawn = get_context("spawn")
        pools = {name: stack.enter_context(ProcessPoolExecutor(1, mp_context=spawn)) for name in BACKENDS}

        def compute(backends, function, *arguments, **options):
            asked = {name: pools[name].submit(function, name, *arguments, **options) for name in backends}
            return {name: future.result(timeout=300) for name, future in asked.items()}

        yield compute


@pytest.fixture(scope="session")
def on():
    """See `open_processes`; float32, as all processes of the test session."""
    with open_processes() as compute:
        yield compute
