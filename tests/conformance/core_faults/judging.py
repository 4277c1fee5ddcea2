"""Judging faults of alae_core on a backend, each planted in turn."""

import json
import os
import subprocess
import sys
from unittest.mock import patch


def judge_fault(fault, subject):
    """Return the error over the limit of a fault's check, on a subject."""
    from tests.conformance.mutants import judge_subject, worst_of

    return worst_of(fault.check, judge_subject(fault.case, fault.lane, subject)).ratio


def judge_faults(backend, faults):
    """Plant each fault in this process, and yield its ratio and that of the correct backend."""
    from alae_conformance.subjects.backend import BackendSubject

    correct = {}
    for fault in faults:
        if (fault.case, fault.check, fault.lane) not in correct:
            control = judge_fault(fault, BackendSubject(backend, fault.lane))
            correct[fault.case, fault.check, fault.lane] = control
        planted = []

        def replace(owner, name, value, planted=planted):
            planted.append(patch.object(owner, name, value))
            planted[-1].start()

        try:
            fault.plant(replace)
            yield (
                fault,
                judge_fault(fault, BackendSubject(backend, fault.lane)),
                correct[fault.case, fault.check, fault.lane],
            )
        finally:
            for each in reversed(planted):
                each.stop()


def measure(backend, faults):
    """Return (ratio of the fault, ratio of the correct backend) by the fault's name, from a process of its own.

    All faults must be of one group.
    """
    if not faults:
        return {}
    command = [sys.executable, "-m", "tests.conformance.core_faults", backend, *(fault.name for fault in faults)]
    # A start-up message of a framework is not an answer.
    done = subprocess.run(
        command, env={**os.environ, "KERAS_BACKEND": backend}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('["')]
    return {name: (found, control) for name, found, control in lines}
