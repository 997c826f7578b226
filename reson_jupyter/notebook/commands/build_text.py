"""What is said of a folder that was written, and how NVFlare's simulator runs it."""

from __future__ import annotations

import shlex
import tempfile
from pathlib import Path

from ...backend.job import Job
from ...backend.record import slug
from ...data.report import counted
from ...names import printable
from ...units import size

_DATA = "Replace DATA by the full path of a folder with each site's unpacked shard ({sites}), OUT by one for the model."


def saved_text(job: Job, folder: Path, replaced: bool) -> str:
    """Returns where a job was written and the line that runs it.

    Args:
        job: The job.
        folder: What `Job.save` returned.
        replaced: Whether files of an earlier save stood there.
    """
    files = [path for path in folder.rglob("*") if path.is_file()]
    held = f"{counted(len(files), 'file')}, {size(sum(path.stat().st_size for path in files))}"
    if len(files) < len(job.files):
        held += "; the job's requirements.txt is for whoever sets up a site"
    sites: int = job.config("meta.json")["min_clients"]
    line = f"nvflare simulator {shlex.quote(str(folder))} -w {shlex.quote(_workspace(folder))} -n {sites} -t {sites}"
    names = "DATA/site-1" if sites == 1 else f"DATA/site-1 to DATA/site-{sites}"
    lines = [f"{'replaced' if replaced else 'wrote'} {folder} ({held}). NVFlare's simulator runs it as it is:"]
    lines += [f"  RESON_DATA_ROOT=DATA RESONTECH_OUT_DIR=OUT {line}", _DATA.format(sites=names)]
    return "\n".join(map(printable, lines))


def _workspace(folder: Path) -> str:
    """Beside the folder, unless its path has white space: NVFlare's simulator would train nothing there, and not say so."""
    beside = f"{folder}-workspace"
    return beside if len(beside.split()) == 1 else str(Path(tempfile.gettempdir(), f"{slug(folder.name)}-workspace"))
