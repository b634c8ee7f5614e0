"""What `--help` says of each command beside its arguments: examples, and what an exit status means."""

from __future__ import annotations

import shlex

# Command -> its examples, each with what it is for. docs/command_line.md shows them too, and a test runs them.
EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "info": (
        ("kerastorch info model.keras", "which Keras wrote it, its layers, and what can be done next"),
        ("kerastorch info model.weights.h5", "of weights alone: the arrays, and layers that fit them"),
    ),
    "scan": (
        ("kerastorch scan model.keras", "one file"),
        ("kerastorch scan --strict downloads/", "in CI: status 0 for a folder of plain models only"),
        ("kerastorch scan --json downloads/ > report.json", "class and place of each finding"),
    ),
    "summary": (
        ("kerastorch summary model.keras", "Keras's table"),
        ("kerastorch summary model.weights.h5 --arch model.json", "weights, and the text of to_json()"),
    ),
    "plot": (
        ("kerastorch plot model.keras model.svg", "a picture, also without Graphviz"),
        ("kerastorch plot model.keras wide.svg --rankdir LR --no-shapes", "from left to right"),
    ),
    "verify": (
        ("kerastorch verify model.keras", "beside the Keras that is installed here"),
        ("kerastorch verify model.keras --html report.html", "with pictures"),
        ("kerastorch verify model.keras --recording model.npz", "Keras ran elsewhere: see record"),
        ("kerastorch verify model.keras --golden outputs.npz", "arrays x0.. and y0.. of your own"),
    ),
    "record": (
        ("kerastorch record --script > recorder.py", "one file for the old environment with Keras"),
        ("kerastorch record model.keras --python old/bin/python", "the same in one step"),
    ),
    "convert": (
        ("kerastorch convert model.h5 new.keras --check", "for Keras 3, and compare the numbers"),
        ("kerastorch convert model.keras old.h5 --to keras2", "for tf-keras and TensorFlow before 2.16"),
        ("kerastorch convert model.keras weights.safetensors", "a state dict"),
    ),
    "export": (
        ("kerastorch export model.keras code --to source", "a folder with model.py, for torch alone"),
        ("kerastorch export model.keras model.onnx --to onnx", "for onnxruntime"),
        ("kerastorch export model.keras model.pt2 --to torch", "for torch.export.load"),
    ),
    "self-check": (
        ("kerastorch self-check", "on the CPU, in float32"),
        ("kerastorch self-check --device cuda --json check.json", "on a device, for a report"),
    ),
}
EXIT: dict[str, str] = {
    "info": "0 it can be read, 1 it needs code of your own, 2 it cannot be read",
    "scan": "0 all load as they are, 1 some need code of your own, 3 some are unsafe, 4 some are damaged or not "
    "supported, 2 wrong use, or no file that may be a model; the highest counts",
    "summary": "0 printed, 2 it cannot be read",
    "plot": "0 written, 2 not written",
    "verify": "0 parity, 1 none, 2 the comparison could not run",
    "record": "0 recorded, 2 not recorded",
    "convert": "0 written (and the same numbers), 1 written but --check found other numbers, 2 not written",
    "export": "0 written, 2 not written",
    "self-check": "0 every layer is right on this machine, 1 some are not, 2 it could not run",
    "completion": "0 printed, 2 not printed",
}
# What a person may do behind a command that did its work; FILE and OUT are those of the command.
Lines = tuple[tuple[str, str], ...]
_INFO = ("kerastorch info FILE", "its layers, which kernels they run on and why, and what can be done next")
_VERIFY = ("kerastorch verify FILE", "compare every layer with real Keras")
_SOURCE = ("kerastorch export FILE FOLDER --to source", "the model as plain PyTorch code")
_TRAIN = ("kt.load_model(FILE), compile, fit", "train it further")
NEXT: dict[str, Lines] = {
    "scan": (_INFO,),
    "summary": (_VERIFY, _SOURCE),
    "plot": (("kerastorch summary FILE", "the same as a table, with counts"), _INFO),
    "verify": (_SOURCE, _TRAIN),
    "convert": (("kerastorch verify OUT", "compare every layer with real Keras"),),
    "export": (_INFO,),
    "self-check": (_VERIFY,),
}
# And behind one that found something wrong: exit status 1, of `scan` 3 and 4, too.
NEXT_AFTER_A_FAULT: dict[str, Lines] = {
    "scan": (_INFO,),
    "verify": (("kerastorch verify FILE --html report.html", "where it begins, with pictures"),),
    "convert": (("kerastorch verify FILE", "compare what was read with real Keras"),),
    "self-check": (("kerastorch self-check --json check.json", "all that was found, for a report"),),
}
# These say it themselves, in a pipe, too: it is what they are for.
SAY_IT_THEMSELVES = ("info", "record")
NO_NEXT = ("completion",)  # what it prints is a script
NEXT_OF_A_MODEL: Lines = (
    _VERIFY,
    _SOURCE,
    ("kerastorch export FILE OUT.onnx --to onnx", "for onnxruntime; --to torch: for torch.export.load"),
    _TRAIN,
    ("kerastorch convert FILE OUT.keras", "a file for today's Keras; OUT.safetensors: the weights"),
)
NEXT_OF_ARCHITECTURES: Lines = (
    ("kt.model_from_json(text), model_from_yaml", "the model with fresh weights"),
    ("kerastorch export WEIGHTS ... --arch FILE", "any command, of a file that holds its weights"),
)
NEXT_OF_WEIGHTS: Lines = (
    ("kt.load_weights(model, FILE)", "into a model of those layers that you build"),
    ("kt.copy_weights(FILE, module)", "into a torch module of your own; prints what went where"),
    ("kerastorch export FILE ... --arch A.json", "any command, with the to_json() text of the model"),
)


def what_next(command: str, status: int = 0, **places: object) -> str:
    """The lines about what can be done next, "" where the command says it itself, or has failed.

    Args:
        command: Its name.
        status: Its exit status.
        **places: `FILE` and `OUT`, as far as the command has them.
    """
    lines = () if status == 2 else (NEXT_AFTER_A_FAULT if status else NEXT).get(command, ())
    width = max((len(line) for line, _ in lines), default=0)
    text = "\n".join(f"  {line:<{width}}  {what}" for line, what in lines)
    for name, place in places.items():
        words = shlex.quote(str(place))
        if words.isprintable() and len(words) < 60:
            text = text.replace(name, words)
    return f"next:\n{text}" if lines else ""


def epilog(command: str) -> str:
    """What stands below the arguments."""
    examples = EXAMPLES.get(command, ())
    width = max((len(line) for line, _ in examples), default=0)
    lines = ["examples:", *(f"  {line:<{width}}  {what}" for line, what in examples), ""] if examples else []
    return "\n".join([*lines, f"exit status: {EXIT[command]}"])
