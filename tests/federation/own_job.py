"""A job on a federation through NVFlare's own API, in a process of its own: what is tested with it needs nothing of the target.

As a script: `python own_job.py KIT JOB` submits a job folder and prints the job's id.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.worker.job_folder import MODEL, JobParts, write_job

SLEEPING = """
def fl_train(model, env, out_dir, logger=None):
    open(os.path.join(os.path.expanduser("~"), env["SITE_NAME"]), "w").close()
    for _ in range(3000):
        time.sleep(0.1)
        logger.check_task_abort()
    return {"weights": model.state_dict(), "samples": 1}
"""


def submit_sleeping(kit: Path, folder: Path, sites: int) -> str:
    """Submits a job whose sites each write a file into their home, by their name, and sleep for five minutes; returns its id."""
    job = write_job(folder / "sleeping", JobParts(MODEL + SLEEPING, "fl_train", min_clients=sites))
    command = [sys.executable, __file__, str(kit), str(job)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, cwd=Path(__file__).parents[2])
    return done.stdout.splitlines()[-1]


def _submit(kit: str, job: str) -> None:
    from nvflare.fuel.flare_api.flare_api import new_secure_session

    session = new_secure_session("researcher@reson.local", kit)
    print(session.submit_job(job))
    session.close()


if __name__ == "__main__":
    _submit(*sys.argv[1:])
