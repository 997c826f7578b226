"""Rehearsals whose kernel is ended in the middle, which cleans up nothing itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from reson_jupyter.backend.rehearsal import rehearse
from reson_jupyter.backend.rehearsal.helper import spare
from tests.patience import wait_for

from .rehearsal_jobs import image_job

pytestmark = pytest.mark.nvflare

KERNEL = """
import sys, tempfile
from pathlib import Path
tempfile.tempdir = sys.argv[1]
from reson_jupyter.backend.rehearsal import rehearse
from tests.backend.rehearsal_jobs import own_job, table_shard
train = '''
    import time
    from pathlib import Path
    for number in range(10_000):
        Path(os.environ["TMPDIR"], str(number)).touch()
    kernel = os.getppid()
    Path({told!r}).touch()
    while os.getppid() == kernel:
        time.sleep(0.001)
    raise ValueError("nobody hears this")
'''
rehearse(own_job(train.format(told=sys.argv[2])), table_shard(Path(sys.argv[3]), 4))
"""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_though_the_users_code_ends_as_soon_as_the_kernel_is_gone(how: signal.Signals, tmp_path: Path) -> None:
    temporary, told = tmp_path / "tmp", tmp_path / "told"
    temporary.mkdir()
    command = [sys.executable, "-c", KERNEL, str(temporary), str(told), str(tmp_path / "shard.zip")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as kernel:
        try:
            wait_for(told.exists, 90)
        finally:
            os.kill(kernel.pid, how)
    wait_for(lambda: not list(temporary.iterdir()), 30)


def test_the_next_rehearsal_removes_what_is_left_of_one_whose_processes_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    left = tmp_path / "reson-rehearsal-left"
    (left / "data").mkdir(parents=True)
    (left / ".lock").touch()
    rehearse(image_job())
    spare.drop()
    assert list(tmp_path.iterdir()) == []
