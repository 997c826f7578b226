"""What code does wrong: shapes, labels, tensors, names."""

from __future__ import annotations

from .entry import Known

SHAPES = (
    Known(
        r"mat1 and mat2 shapes cannot be multiplied \((?P<rows>\d+)x(?P<got>\d+) and (?P<made>\d+)x\d+\)",
        "A Linear layer is made for {made} inputs and got {got}.",
        "Make the two agree; behind convolutions the number depends on the images' size (img_size), unless a pooling that always "
        "gives the same size stands between them (nn.AdaptiveAvgPool2d).",
        r"^(?!.*(?:@|matmul|\.mm\()).*$",
    ),
    Known(
        r"to have (?P<made>\d+) channels?, but got (?P<got>\d+) channels? instead",
        "A convolution is made for {made} channels and got {got}.",
        "The default training gives RGB images, so 3 channels; convert images in your own training, or change the first layer.",
        callbacks="Convert the images where they are read, or change the first layer.",
    ),
    Known(
        r"Kernel size can't be greater than actual input size|Output size is too small|Calculated output size: .*too small",
        "The images are too small for the model: nothing is left of them after its pooling and convolutions.",
        "Raise img_size, or take out a layer that halves the image.",
        callbacks="Make the images larger where they are read, or take out a layer that halves them.",
    ),
    Known(
        r"size mismatch for (?P<key>[\w.]+)|: (?P<own>[\w.]+) has the shape \[[\d, ]*\], the model's has",
        "The weights {key}{own} are of another size than the model's.",
        "Every site and the checkpoint must have the same layers: keep num_classes and model_args, "
        "and let no layer depend on a site's data.",
        callbacks="Every site must return the parameters in the shapes in which it got them; "
        "another model needs another seed, from build() or checkpoint=FILE.",
    ),
    Known(
        r"(?:Missing|Unexpected) key\(s\) in state_dict|keys do not fit the model|"
        r"None of the \d+ incoming model parameter|\(key mismatch\)",
        "The names of the weights are not those of the model.",
        'Return model.state_dict() of the model that you were given; DataParallel puts "module." before each name and '
        'torch.compile "_orig_mod.".',
        callbacks="Return what model.get_model_params(helper) gave, trained: as many arrays in the same order, or the same "
        "names. Another model needs another seed, from build() or checkpoint=FILE.",
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

_OUTPUTS = "Labels count from 0, so the model needs as many outputs as the greatest label of all sites plus one"

LABELS = (
    Known(
        r"the model returns (?P<made>\d+) logits, but num_classes is (?P<wanted>\d+)",
        "The model has {made} outputs for {wanted} classes.",
        "Let its last layer have num_classes outputs (its constructor is given num_classes), or set num_classes.",
    ),
    Known(
        r"Target (?P<label>-?\d+) is out of bounds",
        "A sample has the label {label}, which the model has no output for.",
        "Labels count from 0, so num_classes must be the greatest label of all sites plus one.",
        callbacks=f"{_OUTPUTS}.",
    ),
    Known(
        r"device-side assert triggered",
        "On a GPU this is nearly always a label that the model has no output for.",
        "Labels count from 0, so num_classes must be the greatest label of all sites plus one; a run on CPUs says which it is.",
        callbacks=f"{_OUTPUTS}; a run on CPUs says which it is.",
    ),
    Known(
        r"multi-target not supported|only batches of spatial targets supported",
        "CrossEntropyLoss takes one number per sample as its label, and got another shape.",
        "Give labels of the shape (batch,): y.squeeze(1), or y.argmax(1) for one-hot labels.",
    ),
)

TENSORS = (
    Known(
        r"Expected all tensors to be on the same device|torch\.cuda\.\w+Tensor\) should be the same|"
        r"is on (?:cpu|cuda:\d+), but expected",
        "Some tensors are on the GPU and some are not.",
        'Move every batch to {env}["DEVICE"], the model\'s device; tensors that a model makes in forward need device=x.device.',
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
        callbacks="Lower the learning rate, scale the inputs, or clip the gradients.",
    ),
)

NAMES = (
    Known(
        r"\bname '(?P<name>get_ipython|display)' is not defined",
        "Sites have no IPython, so there is no {name}.",
        "Take it out of what ships; logger(...) prints to the run's log.",
        callbacks="Take it out of what ships; print(...) goes to the run's log.",
    ),
    Known(
        r"\bname '(?P<name>\w+)' is not defined|NameError: (?:cannot access )?free variable '(?P<free>\w+)'",
        "The notebook may know {name}{free}; what shipped to the site does not, or not yet at this line.",
        "Define or import {name}{free} in the cell that ships, before it is used, and run that cell again.",
    ),
    Known(
        r"No module named '?(?P<name>(?!model_def\b|custom_\w+)[\w.]+)'?",
        "The package {name} is not installed there.",
        "Name its distribution in the requirements; a module of your own ships when it lies beside the notebook.",
        project="Name its distribution below dependencies in python_env.yaml, which scaleout.yaml names as python_env; "
        "a module of your own ships when it lies in the project's folder and .scaleoutignore does not leave it out.",
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
        r"model_def\S* does not define (?:the function |class )?'?(?P<name>\w+)|"
        r"module 'model_def' has no attribute '(?P<own>\w+)",
        "The code that shipped has no {name}{own}; it was renamed, or stands in a cell that was not captured.",
        "Run the cell that defines it again with %%reson_model or %%reson_train above it, then submit.",
        callbacks="Run the cell that defines it again with %%reson_startup above it, then submit.",
    ),
    Known(
        r"fl_validate\w*\(\) returned a \w+; it must return a dict",
        "A validate function hands back metrics.",
        'End it with: return {{"val_loss": ..., "val_accuracy": ...}}',
    ),
    Known(
        r"\(\) returned no weights|\(\) returned a \w+; it must return a dict|did not return a non-empty weights dict",
        "A train function hands back what it trained.",
        'End it with: return {{"weights": model.state_dict(), "samples": len(dataset)}}',
    ),
    Known(
        r"returned samples=",
        "The mean over sites is weighted by how many samples each has trained on.",
        'Return "samples": len(dataset), and give every shard some samples.',
    ),
    Known(
        r"\b(?P<name>fl_\w+)\(\) (?:got an unexpected keyword argument|takes \d+ positional|missing \d+ required)",
        "{name} was not called the way that it is defined.",
        "Define it as {name}(model, env, out_dir, logger) or {name}(payload).",
    ),
    Known(
        r"(?<![\w.])(?P<name>[\w.]+)\.__init__\(\) got an unexpected keyword argument '(?P<key>\w+)'",
        "The constructor of {name} does not take {key}.",
        "Add {key} to its parameters, or take it out of model_args (or of the call).",
        callbacks="Add {key} to its parameters, or take it out of the call.",
    ),
    Known(
        r"(?<![\w.])(?P<name>[\w.]+)\.__init__\(\) missing \d+ required positional arguments?: (?P<key>[^\n]+)",
        "The constructor of {name} was called without {key}.",
        "Give a default, or set model_args: %reson config 'model_args={{\"name\": value}}'",
        callbacks="Give a default, or name it in the call.",
    ),
)
