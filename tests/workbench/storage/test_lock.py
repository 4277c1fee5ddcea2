"""The lock of a directory when its file disappears."""

import pytest

from alae_core import AlaeError
from alae_workbench.storage import lock
from alae_workbench.storage.directory import Run


def test_a_lock_file_removed_before_it_is_locked_is_opened_again(tmp_path, monkeypatch):
    run, removals = Run(tmp_path), [True]

    def remove_before_first_lock(descriptor):
        if removals:
            removals.clear()
            (tmp_path / ".alae.lock").unlink()
        return try_lock(descriptor)

    try_lock = lock._try_lock
    monkeypatch.setattr(lock, "_try_lock", remove_before_first_lock)
    with run.lock():
        run.require_present()
        with pytest.raises(AlaeError, match="another process is training"), Run(tmp_path).lock():
            pass
