"""What is around the code: memory, files, machines."""

from __future__ import annotations

from .entry import Known

# Callbacks that validate or predict get no settings.
_DATA = 'settings["DATA_ROOT"], or os.environ["RESON_DATA_ROOT"] where there are no settings'
_READ = f"Read what a site has below {_DATA}."
_READ_OR_SHIP = f"{_READ} A file of the project is found with Path(__file__).parent / ..."

MEMORY = (
    Known(
        r"CUDA out of memory|CUDA OOM|OutOfMemoryError|CUBLAS_STATUS_ALLOC_FAILED",
        "The GPU's memory does not hold the model, its gradients and a batch.",
        "Lower batch_size or img_size, for example: %reson config batch_size=8",
        callbacks='Train with smaller batches or images; with settings["batch_size"] in the code, for example: '
        "%reson config batch_size=8",
    ),
    Known(
        r"DefaultCPUAllocator|Cannot allocate memory|\bMemoryError\b",
        "The site's memory was used up.",
        "Lower batch_size, and load samples one by one in a Dataset instead of all at once.",
    ),
    Known(
        r"killed by signal: Bus error|out of shared memory|insufficient shared memory|unable to (?:open|allocate) shared memory",
        "The worker processes of a DataLoader ran out of shared memory (/dev/shm), which containers have little of.",
        "Use DataLoader(..., num_workers=0).",
    ),
    Known(
        r"DataLoader worker .*(?:killed by signal|exited unexpectedly)",
        "A worker process of a DataLoader died, nearly always for want of memory.",
        "Use DataLoader(..., num_workers=0), or fewer workers and a smaller batch_size.",
    ),
    Known(
        r"process ended without a word|process was killed",
        "The system ends processes like this when memory is short; native code that crashes and os._exit() look the same.",
        "Lower batch_size, load less at once, or run fewer sites on one machine.",
    ),
    Known(
        r"No space left on device|disk of the work folder \S+ is full",
        "The disk is full.",
        'Write less, or delete what each round leaves in out_dir and env["STATE_DIR"].',
        callbacks='Write less, or delete what each round leaves in settings["STATE_DIR"] or elsewhere.',
    ),
)

PATIENCE = (
    Known(
        r"hangs: its process is stopped",
        "The process was paused from outside, as a debugger or Ctrl-Z does.",
        "Submit the run again.",
    ),
    Known(
        r"hangs: no sign of life",
        "It waits for something that does not come: a lock, a download, the answer of another process.",
        "Look at the line where it stood. If it only takes its time, give it more, for example: %reson config site_timeout=60",
    ),
    Known(
        r"has not finished its part of .* within \d+ s",
        "round_timeout gives a site this long for its part of a round.",
        "Train less in a round (local_epochs), or give more time, for example: %reson config round_timeout=0 (no limit)",
    ),
)

FILES = (
    Known(
        r"there is no \S+ at the root of the shard|(?:No such file or directory: '|FileNotFoundError: )[^'\s]*manifest\.ndjson",
        "The manifest is not at the root of the site's shard.",
        "Zip the files themselves, not the folder that they are in; reson.check_shards(folder) says what is wrong.",
    ),
    Known(
        r"(?:Permission denied|Read-only file system): '(?P<path>[^']*)'",
        "The site may not write to {path}; its working folder is not the notebook's.",
        'Write below out_dir, or below env["STATE_DIR"] what later rounds need.',
        callbacks='Write below settings["STATE_DIR"] what later rounds need, and everything else with tempfile.',
    ),
    Known(
        r"No such file or directory: '(?P<path>(?:/|~|[A-Z]:)[^']*)'",
        "{path} is on the notebook's machine, or nowhere; a site has only its own shard.",
        'Put the file into the shards and read it below env["DATA_ROOT"].',
        callbacks=_READ,
        project=_READ_OR_SHIP,
    ),
    Known(
        r"No such file or directory: '(?P<path>[^']*)'",
        "The site's working folder has no {path}; it is not the notebook's folder.",
        'Put the file into the shards and read it as os.path.join(env["DATA_ROOT"], ...).',
        callbacks=_READ,
        project=_READ_OR_SHIP,
    ),
    Known(
        r"UnidentifiedImageError|image file is truncated|Truncated File Read",
        "An image of this site's shard is damaged, or no image.",
        "reson.check_shards(folder) checks the shards; make the shard again without that file.",
    ),
    Known(
        r"num_samples should be a positive integer value, but got num_samples=0|empty dataset|\bhas no samples$",
        "The site has no samples.",
        'Look for the files below env["DATA_ROOT"], and give every shard some samples.',
        callbacks=f"Look for the files below {_DATA}.",
    ),
    Known(
        r"ZeroDivisionError",
        "Something is divided by how many there are of it, and there are none: often the batches of a small shard.",
        "Use drop_last=False or a smaller batch_size, and divide by max(1, count).",
    ),
    Known(
        r"Weights only load failed",
        "torch.load reads only weights, and this file has other objects in it.",
        "Save model.state_dict() instead of the model, and load that.",
    ),
)

MACHINES = (
    Known(
        r"No CUDA GPUs are available|Torch not compiled with CUDA|Found no NVIDIA driver|deserialize object on a CUDA device",
        "The code asks for a GPU, and the site has none.",
        'Use {env}["DEVICE"] in place of "cuda", and torch.load(..., map_location="cpu").',
    ),
    Known(
        r"No matching distribution found for (?P<name>\S+)|satisfies the requirement (?P<wanted>\S+)",
        "There is no {name}{wanted} for the site's Python.",
        "Name a version that there is in requirements.",
        project="Name a version that there is in python_env.yaml.",
    ),
    Known(
        r"ResolutionImpossible|conflicting dependencies",
        "The packages in requirements contradict each other, so none can be installed.",
        "Pin fewer of them, and name none that the code does not import.",
        project="Pin fewer of them in python_env.yaml, and name none there that the code does not import.",
    ),
    Known(
        r"(?:NCCL|collective operation).*(?:time[d ]*out|watchdog)|Watchdog caught collective",
        "The GPUs of a site lost touch with each other.",
        "This often passes: submit the run again. If it comes back, use one GPU per site.",
    ),
    Known(
        r"Name or service not known|name resolution|URLError|Max retries exceeded|Network is unreachable|couldn't connect to",
        "The site cannot reach the internet, which pretrained weights and data sets are fetched from.",
        "Fetch them here: weights travel as submit(checkpoint=...), data in the shards.",
    ),
    Known(
        r"Can't (?:pickle|get local object)|cannot pickle|Can't get attribute",
        "A DataLoader with worker processes pickles its data set; what a function defines in itself (a lambda, say) cannot be.",
        "Define it at the top of the cell, or use DataLoader(..., num_workers=0).",
        project="Define it at the top of the file, or use DataLoader(..., num_workers=0).",
    ),
    Known(
        r"bootstrapping phase|daemonic processes are not allowed to have children",
        "The code starts processes in a way that a site does not allow.",
        "Use DataLoader(..., num_workers=0).",
    ),
    Known(
        r"EOF when reading a line",
        "Nobody can type at a site: input() has nothing to read.",
        "Take input() out; what the code needs to know travels in the configuration, for example: %reson config width=64",
    ),
    Known(
        r"^SystemExit\b",
        "The code ended the site's process itself, with exit() or sys.exit().",
        "Return from the train function instead.",
    ),
    Known(
        r"RecursionError|maximum recursion depth",
        "A function calls itself without end.",
        "Look at the call path: a forward that calls self(x), or a __getattr__ that reads its own attribute.",
    ),
)
