"""SIGINT and SIGTERM in a process of the command line, at moments that Python's own handlers do not cover."""

import os
import signal
import subprocess
import sys
import time

import pytest

BEGIN = """
import hashlib, os, sys, threading, time
from alae_cli.signals import end_on_signals, saving_first, set_exit_code
end_on_signals()
"""
READY = "print('ready', flush=True)\n"
#: waits in native code, which Python's handlers do not interrupt
NATIVE = "hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)\n"
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")


def start(script, directory=None):
    """Start a script in a new process, and wait until it prints "ready"."""
    process = subprocess.Popen(
        [sys.executable, "-c", BEGIN + script],
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n", process.communicate()
    return process


def end(process):
    """Return (exit code, stdout, stderr) of a process that ends by itself."""
    out, err = process.communicate(timeout=10)
    return process.returncode, out, err


@pytest.mark.parametrize(
    ("number", "code", "action"),
    [(signal.SIGINT, 130, NATIVE), (signal.SIGTERM, 143, NATIVE), (signal.SIGTERM, 143, "while True: pass\n")],
)
def test_a_signal_ends_the_process_with_one_line_whatever_it_does(number, code, action):
    process = start(READY + action)
    process.send_signal(number)
    assert end(process) == (code, "", f"alae: stopped by {number.name}\n")


def test_other_signals_keep_their_handlers():
    process = start(
        "import signal\nsignal.signal(signal.SIGUSR1, lambda *a: print('USR1', flush=True))\n"
        + READY
        + "time.sleep(60)"
    )
    process.send_signal(signal.SIGUSR1)
    assert process.stdout.readline() == "USR1\n"
    process.send_signal(signal.SIGTERM)
    assert end(process)[0] == 143


def test_a_run_is_saved_while_the_main_thread_is_in_native_code():
    process = start(f"with saving_first(lambda number: f'saved step 7 ({{number.name}})'):\n {READY} {NATIVE}")
    process.send_signal(signal.SIGTERM)
    assert end(process) == (143, "", "alae: stopped by SIGTERM; saved step 7 (SIGTERM)\n")


def test_a_run_that_cannot_be_saved_is_reported():
    script = f"def save(number):\n raise OSError(28, 'No space left')\nwith saving_first(save):\n {READY} {NATIVE}"
    process = start(script)
    process.send_signal(signal.SIGTERM)
    assert end(process) == (143, "", "alae: stopped by SIGTERM, but not saved: [Errno 28] No space left\n")


def test_a_second_signal_ends_the_process_at_once_but_not_one_sent_with_the_first():
    process = start(f"with saving_first(lambda number: time.sleep(60)):\n {READY} {NATIVE}")
    process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    time.sleep(1)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert end(process) == (130, "", "alae: ended at once by a second signal, SIGINT\n")


def test_an_error_that_a_signal_causes_is_not_reported():
    """The main thread fails while the run is saved."""
    script = f"""
import alae_cli, alae_cli.app, alae_cli.signals
saving = threading.Event()
def save(number):
    saving.set()
    time.sleep(0.5)
    return "saved"
def fail():
    with saving_first(save):
        {READY.strip()}
        saving.wait()
        raise ValueError("a file has vanished")
alae_cli.end_on_signals = lambda: None
alae_cli.app.main = fail
alae_cli.main()
"""
    process = start(script)
    process.send_signal(signal.SIGINT)
    assert end(process) == (130, "", "alae: stopped by SIGINT; saved\n")


def test_a_signal_counts_until_the_process_has_ended():
    process = start(f"import atexit\nset_exit_code(0)\natexit.register(lambda: ({READY.strip()}, time.sleep(60)))")
    process.send_signal(signal.SIGTERM)
    assert end(process) == (143, "", "alae: stopped by SIGTERM\n")


def test_without_a_signal_the_exit_code_and_the_output_are_those_of_the_command():
    script = BEGIN + "print('done', end='')\nset_exit_code(3)\nsys.exit(3)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (3, "done", "")


def test_a_bug_is_reported_with_exit_code_1():
    code, _, err = end(start(READY + "raise ValueError('a bug')"))
    assert (code, err.splitlines()[-1]) == (1, "ValueError: a bug")


def test_unfinished_files_are_removed(tmp_path):
    script = f"""
from pathlib import Path
from alae_core._support.files import atomic_path
with atomic_path(Path("out.npy")) as path:
    path.write_bytes(b"half")
    {READY.strip()}
    {NATIVE}"""
    process = start(script, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [f".writing-{process.pid}-out.npy"]
    process.send_signal(signal.SIGINT)
    assert end(process)[0] == 130
    assert not list(tmp_path.iterdir())


def test_a_second_signal_removes_unfinished_files_too(tmp_path):
    script = f"""
from pathlib import Path
from alae_core._support.files import atomic_path
with saving_first(lambda number: time.sleep(60)), atomic_path(Path("out.npy")) as path:
    path.write_bytes(b"half")
    {READY.strip()}
    {NATIVE}"""
    process = start(script, tmp_path)
    process.send_signal(signal.SIGTERM)
    time.sleep(1.2)
    process.send_signal(signal.SIGTERM)
    assert end(process)[0] == 143
    assert not list(tmp_path.iterdir())


def test_child_processes_end_too():
    script = f"""
import multiprocessing
if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    shared = context.Event()
    child = context.Process(target=time.sleep, args=(60,))
    child.start()
    {READY.strip()}
    print(child.pid, flush=True)
    {NATIVE}"""
    process = start(script)
    child = int(process.stdout.readline())
    process.send_signal(signal.SIGTERM)
    code, _, err = end(process)
    assert (code, err) == (143, "alae: stopped by SIGTERM\n")
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_a_full_pipe_does_not_keep_the_process():
    process = start(READY + "sys.stdout.write('x' * 10**6)")
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=10)
    assert process.returncode == 143
    process.communicate()
