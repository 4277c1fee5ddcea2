"""`alae demo`."""

import os
import signal
import socket
import subprocess
import sys
from urllib.request import urlopen

import pytest

from tests.cli.conftest import describe_case

# Writes a small page instead of a model, and then calls the command.
SCRIPT = """
import sys
from alae_cli import main
from alae_core import load_backend
load_backend("torch", "cpu")
from alae_workbench.exports import page

def write(opened, out, **options):
    out.mkdir()
    (out / "index.html").write_text(f"{opened.checkpoint.step} {options}")

page.export_page = write
sys.argv = ["alae", "demo", "--no-browser", "--runtime", "given"]
main()
"""


@pytest.mark.slow
@pytest.mark.framework
@pytest.mark.skipif(os.name == "nt", reason="needs SIGINT")
def test_the_page_is_served_until_an_interrupt(tmp_path):
    pytest.importorskip("onnxruntime")
    environment = {key: value for key, value in os.environ.items() if key != "KERAS_BACKEND"} | {
        "TMPDIR": str(tmp_path)
    }
    command = [sys.executable, "-c", SCRIPT]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            lines = []
            while not lines or "http" not in lines[-1]:
                lines.append(process.stdout.readline())
                assert lines[-1], lines
            address = lines[-1].partition(" ")[0]
            assert address.startswith("http://127.0.0.1:")
            assert urlopen(address, timeout=60).read() == b"8000 {'runtime': PosixPath('given')}"
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
        finally:
            process.kill()
    assert list(tmp_path.glob("alae-demo-*")) == [], "the temporary page stays"


def test_a_port_in_use_is_reported_before_a_framework_is_imported(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        script = f"""
import sys
from alae_cli import app
sys.argv = ["alae", "demo", "--no-browser", "--port", "{port}"]
try:
    app.main()
except SystemExit as end:
    print(end.code, sorted({{"jax", "keras", "tensorflow", "torch"}} & set(sys.modules)))
"""
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "TMPDIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.stdout.splitlines()[-1] == "2 []", done.stderr
    assert f"--port is {port}: Address already in use; choose another" in done.stderr
    assert list(tmp_path.iterdir()) == []


MISTAKES = [
    (["absent"], "there is no checkpoint in absent"),
    (["--port", "70000"], "--port is 70000"),
    (["--host", "0.0.0.0"], "--host is only for --server"),
    (["--backend", "jax"], "--backend is only for --server"),
    (["--server", "--runtime", "dist"], "--runtime is not for --server"),
    (["--server", "--host", "0.0.0.0"], "--host is 0.0.0.0, which others can reach: give a password with --password"),
    (["--server", "--password-file", "absent"], "--password-file is absent, which cannot be read"),
    (["--server", "--port", "TAKEN"], "Address already in use; choose another, or omit it"),
]


@pytest.mark.parametrize(("words", "message"), MISTAKES, ids=describe_case)
def test_a_mistake_gives_one_line_and_exit_code_2(assert_refused, words, message):
    if "--server" in words:
        pytest.importorskip("uvicorn")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert_refused(["demo", *(port if word == "TAKEN" else word for word in words)], message)
