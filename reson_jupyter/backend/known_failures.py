"""Failures whose cause is known from their message: what is behind each, and what to do."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Known:
    """One of them.

    Attributes:
        message: Pattern that is searched for in the exception's text, "ValueError: ..." and all lines after it; any case.
        cause: What is behind it, a sentence; {name} is what the pattern's group of that name found.
        fix: What to do, likewise.
        line: Pattern that the source line must have as well.
    """

    message: str
    cause: str
    fix: str
    line: str = ""

    def told(self, text: str, line: str) -> tuple[str, str] | None:
        """Cause and fix if this is it."""
        found = re.search(self.message, text, re.IGNORECASE)
        if not found or not re.search(self.line, line):
            return None
        groups = {name: value or "" for name, value in found.groupdict().items()}
        return self.cause.format_map(groups), self.fix.format_map(groups)


def known(message: str, text: str, line: str) -> tuple[str, str]:
    """Returns cause and fix of a failure, both "" if it is none of the known ones.

    Args:
        message: Its one line; what is known of that goes before what is known of the rest.
        text: Everything that the exception says.
        line: The source of the line where the user's code failed; "" if there is none.
    """
    told = (entry.told(said, line) for said in (message[:_LOOKED_AT], text[:_LOOKED_AT]) for entry in _KNOWN)
    return next((answer for answer in told if answer), ("", ""))


_LOOKED_AT = 5_000  # characters

_MEMORY = (
    Known(
        r"CUDA out of memory|OutOfMemoryError|CUBLAS_STATUS_ALLOC_FAILED",
        "The GPU's memory does not hold the model, its gradients and a batch.",
        "Lower batch_size or img_size, for example: %reson config batch_size=8",
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
        r"process ended without a word",
        "The system ends processes like this when memory is short; native code that crashes and os._exit() look the same.",
        "Lower batch_size, load less at once, or run fewer sites on one machine.",
    ),
    Known(
        r"No space left on device",
        "The site's disk is full.",
        'Write less, or delete what each round leaves in out_dir and env["STATE_DIR"].',
    ),
)

_SHAPES = (
    Known(
        r"mat1 and mat2 shapes cannot be multiplied \((?P<rows>\d+)x(?P<got>\d+) and (?P<made>\d+)x\d+\)",
        "A Linear layer is made for {made} inputs and got {got}.",
        "What convolutions give it depends on the images' size: make it fit img_size, or pool before it (nn.AdaptiveAvgPool2d).",
        r"^(?!.*(?:@|matmul|\.mm\()).*$",
    ),
    Known(
        r"to have (?P<made>\d+) channels?, but got (?P<got>\d+) channels? instead",
        "A convolution is made for {made} channels and got {got}.",
        "The default training gives RGB images, so 3 channels; convert images in your own training, or change the first layer.",
    ),
    Known(
        r"Kernel size can't be greater than actual input size|Output size is too small|Calculated output size: .*too small",
        "The images are too small for the model: nothing is left of them after its pooling and convolutions.",
        "Raise img_size, or take out a layer that halves the image.",
    ),
    Known(
        r"size mismatch for (?P<key>[\w.]+)|: (?P<own>[\w.]+) has the shape \[[\d, ]*\], the model's has",
        "The weights {key}{own} are of another size than the model's.",
        "Every site and the checkpoint must have the same layers: keep num_classes and model_args, "
        "and let no layer depend on a site's data.",
    ),
    Known(
        r"(?:Missing|Unexpected) key\(s\) in state_dict|keys do not fit the model",
        "The names of the weights are not those of the model.",
        'Return model.state_dict() of the model that you were given; DataParallel puts "module." before each name and '
        'torch.compile "_orig_mod.".',
    ),
    Known(
        r"Expected input batch_size \((?P<inputs>\d+)\) to match target batch_size \((?P<targets>\d+)\)",
        "The model gives {inputs} rows for {targets} labels.",
        "Keep the first dimension for the batch: x.flatten(1) instead of x.view(-1, n).",
    ),
    Known(
        r"stack expects each tensor to be equal size",
        "The samples of one batch differ in size.",
        "Resize every image to the same size in the Dataset, for example to img_size.",
    ),
    Known(
        r"Expected more than 1 value per channel when training",
        "BatchNorm cannot train on a batch of one sample, and the last batch of this site's shard has only one.",
        "Use DataLoader(..., drop_last=True), another batch_size, or GroupNorm.",
    ),
)

_LABELS = (
    Known(
        r"Target (?P<label>-?\d+) is out of bounds",
        "A sample has the label {label}, which the model has no output for.",
        "Labels count from 0, so num_classes must be the greatest label of all sites plus one.",
    ),
    Known(
        r"device-side assert triggered",
        "On a GPU this is nearly always a label that the model has no output for.",
        "Labels count from 0, so num_classes must be the greatest label of all sites plus one; a run on CPUs says which it is.",
    ),
    Known(
        r"multi-target not supported|only batches of spatial targets supported",
        "CrossEntropyLoss takes one number per sample as its label, and got another shape.",
        "Give labels of the shape (batch,): y.squeeze(1), or y.argmax(1) for one-hot labels.",
    ),
)

_TENSORS = (
    Known(
        r"Expected all tensors to be on the same device|torch\.cuda\.\w+Tensor\) should be the same|"
        r"is on (?:cpu|cuda:\d+), but expected",
        "Some tensors are on the GPU and some are not.",
        'Move every batch to env["DEVICE"], the model\'s device; tensors that a model makes in forward need device=x.device.',
    ),
    Known(
        r"can't convert \w+:\d+ device type tensor to numpy",
        "numpy cannot read a tensor that is on the GPU.",
        "Call .detach().cpu() before .numpy().",
    ),
    Known(
        r"expected (?:scalar type|target dtype)|have the same dtype|Found dtype \w+ but|type \(\w+\) and \w+ type \(\w+\)",
        "Tensors of different types met: inputs must be float32, labels of CrossEntropyLoss int64.",
        "Convert them: x.float(), y.long(); numpy's numbers are float64.",
    ),
    Known(
        r"Got unsupported ScalarType BFloat16",
        "numpy has no bfloat16.",
        "Call .float() before .numpy().",
    ),
    Known(
        r"does not require grad and does not have a grad_fn",
        "The loss does not depend on any weight that is trained.",
        "Compute it outside torch.no_grad(), without .item() or .detach(), and let at least one layer have requires_grad=True.",
    ),
    Known(
        r"backward through the graph a second time",
        "A loss was kept from one step to the next together with its graph.",
        "Call backward() once per loss, and detach() what is carried to the next step.",
    ),
    Known(
        r"modified by an inplace operation",
        "A tensor that the gradients need was changed in place.",
        "Write x = x + y instead of x += y, and nn.ReLU() without inplace=True.",
    ),
    Known(
        r"numpy\(\) on Tensor that requires grad",
        "numpy cannot read a tensor that belongs to a graph of gradients.",
        "Call .detach() before .numpy().",
    ),
    Known(
        r"\bnot finite\b|\bcontains? (?:NaN|infs?)\b|\bdiverged\b|\b(?:loss|weights?) (?:is|are|became) nan\b",
        "The training diverged: its numbers became NaN or infinite.",
        "Lower learning_rate, for example: %reson config learning_rate=0.0001; scale the inputs, or clip the gradients.",
    ),
)

_NAMES = (
    Known(
        r"NameError: name '(?P<name>get_ipython|display)' is not defined",
        "Sites have no IPython, so there is no {name}.",
        "Take it out of what ships; logger(...) prints to the run's log.",
    ),
    Known(
        r"NameError: (?:name|free variable) '(?P<name>\w+)'",
        "The notebook may know {name}; what shipped to the site does not, or not yet at this line.",
        "Define or import {name} in the cell that ships, before it is used, and run that cell again.",
    ),
    Known(
        r"No module named '?(?P<name>(?!model_def\b|custom_\w+)[\w.]+)'?",
        "The package {name} is not installed there.",
        "Name its distribution in the requirements; a module of your own ships when it lies beside the notebook.",
    ),
    Known(
        r"cannot import name '(?P<name>\w+)' from (?:partially initialized module )?'(?P<module>[\w.]+)'",
        "The site has {module}, but in a version without {name}.",
        "Pin the version of this kernel in requirements.",
    ),
    Known(
        r"KeyError: '(?P<key>\w+)'",
        "env has no {key}.",
        "It has SITE_NAME, CURRENT_ROUND, NUM_ROUNDS, DATA_ROOT, STATE_DIR, DEVICE and every training field; "
        "set more of them, for example: %reson config {key}=1",
        line=r"\benv\b",
    ),
    Known(
        r"KeyError: '(?P<key>\w+)'",
        "The payload has no {key}.",
        'It has dataset["data_root"], env and initial_weights.',
        line=r"\bpayload\b",
    ),
    Known(
        r"\b(?P<name>fl_\w+)\(\) (?:got an unexpected keyword argument|takes \d+ positional|missing \d+ required)",
        "{name} was not called the way that it is defined.",
        "Define it as {name}(model, env, out_dir, logger) or {name}(payload).",
    ),
    Known(
        r"TypeError: (?P<name>[\w.]+)\.__init__\(\) got an unexpected keyword argument '(?P<key>\w+)'",
        "The constructor of {name} does not take {key}.",
        "Add {key} to its parameters, or take it out of model_args (or of the call).",
    ),
    Known(
        r"TypeError: (?P<name>[\w.]+)\.__init__\(\) missing \d+ required positional arguments?: (?P<key>[^\n]+)",
        "The constructor of {name} was called without {key}.",
        "Give a default, or set model_args: %reson config 'model_args={{\"name\": value}}'",
    ),
)

_FILES = (
    Known(
        r"there is no \S+ at the root of the shard|No such file or directory: '[^']*manifest\.ndjson",
        "The manifest is not at the root of the site's shard.",
        "Zip the files themselves, not the folder that they are in; reson.check_shards(folder) says what is wrong.",
    ),
    Known(
        r"(?:Permission denied|Read-only file system): '(?P<path>[^']*)'",
        "The site may not write to {path}; its working folder is not the notebook's.",
        'Write below out_dir, or below env["STATE_DIR"] what later rounds need.',
    ),
    Known(
        r"No such file or directory: '(?P<path>(?:/|~|[A-Z]:)[^']*)'",
        "{path} is on the notebook's machine, or nowhere; a site has only its own shard.",
        'Put the file into the shards and read it below env["DATA_ROOT"].',
    ),
    Known(
        r"No such file or directory: '(?P<path>[^']*)'",
        "The site's working folder has no {path}; it is not the notebook's folder.",
        'Put the file into the shards and read it as os.path.join(env["DATA_ROOT"], ...).',
    ),
    Known(
        r"UnidentifiedImageError|image file is truncated|Truncated File Read",
        "An image of this site's shard is damaged, or no image.",
        "reson.check_shards(folder) checks the shards; make the shard again without that file.",
    ),
    Known(
        r"num_samples should be a positive integer value, but got num_samples=0|empty dataset",
        "The site has no samples.",
        'Look for the files below env["DATA_ROOT"], and give every shard some samples.',
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

_MACHINES = (
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
    ),
    Known(
        r"bootstrapping phase|daemonic processes are not allowed to have children",
        "The code starts processes in a way that a site does not allow.",
        "Use DataLoader(..., num_workers=0).",
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

_KNOWN = (*_MEMORY, *_SHAPES, *_LABELS, *_TENSORS, *_NAMES, *_FILES, *_MACHINES)
