"""Arrays to feed to a model, made from the shapes of its inputs: the same ones in every process, by their seeds.

`numpy.random.RandomState` gives the same numbers in every version of numpy, so a recording holds no random weights.
"""

from __future__ import division

import hashlib

import numpy as np

ROWS = 4  # where the model leaves the number open
LENGTHS = (7, 16, 32, 64, 128, 256)  # tried in this order where a length is open: a convolution may need many steps


def open_length(specs):
    """Whether some input leaves a size open behind its batch axis."""
    return any(size is None for spec in specs for size in spec["shape"][1:])


def open_rows(specs):
    """Whether all inputs leave the batch size open."""
    return all(spec["shape"][0] is None for spec in specs)


GRADIENTS = ("normal", "again", "holes", "none", "random weights", "random weights, masked", "states")


def plan(specs, stateful, length, seed, states=False):
    """The probes for a model, each a dict that `arrays` makes the arrays of.

    Args:
        specs: For each input a dict: `name`, `shape` with the batch axis and None where a size is open, `dtype`, `ids`
            (the number of words, where it is looked up in a table) and `pad` (the value that is masked, if any is).
        stateful: Whether states are kept between batches.
        length: For sizes that are open.
        seed: Of the first probe; the others count on.
        states: Whether recurrent layers can be given initial states.
    """
    floats = any(spec["ids"] is None and spec["dtype"].startswith(("float", "bfloat")) for spec in specs)
    masks = any(spec["pad"] is not None for spec in specs)
    steps = any(len(spec["shape"]) > 1 and spec["shape"][1] is None for spec in specs)
    probes = []

    def add(name, what, **options):
        made = {"rows": ROWS, "length": length, "scale": 1.0, "pattern": None, "weights": "own", "continues": False}
        made.update(options)
        made.update({"name": name, "what": what, "seed": seed + len(probes), "differentiated": name in GRADIENTS})
        probes.append(made)

    add("normal", "normally distributed values" if floats else "random words")
    if stateful:
        add("again", "another batch, states kept from the one before", continues=True)
    if floats:
        add("small", "values of the order of 0.001", scale=1e-3)
        add("large", "values of the order of 30", scale=30.0)
    if masks:
        add("right", "masked steps on the right", pattern="right")
        add("left", "masked steps on the left", pattern="left")
        add("holes", "masked steps in between", pattern="holes")
        add("none", "a row of masked steps only", pattern="none")
    if steps:
        add("one step", "one time step", length=1)
        add("longer", "other lengths", length=2 * length + 3)
    if open_rows(specs):
        add("one row", "a batch of one row", rows=1)
    add("random weights", "random weights in the place of the model's", weights="random")
    if masks:
        add("random weights, masked", "the same with masked steps in between", weights="random", pattern="holes")
    if states:
        add("states", "recurrent layers begin with states that are not zero", states=True)
    if stateful:
        add("pieces", "a sequence in two pieces: the first")
        add("second piece", "its second piece, of another length where that is open", continues=True, length=length + 2)
    return probes


def arrays(specs, probe):
    """The arrays of a probe, one for each input."""
    rng = np.random.RandomState(probe["seed"])
    return [_array(spec, probe, rng, place) for place, spec in enumerate(specs)]


def _array(spec, probe, rng, place):
    shape = [probe["length"] if size is None else size for size in spec["shape"]]
    if spec["shape"][0] is None:
        shape[0] = probe["rows"]
    pad, words = spec["pad"], spec["ids"]
    if words is not None:
        first = 1 if pad == 0 and words > 1 else 0
        values = rng.randint(first, words, size=shape)
    elif spec["dtype"] == "bool" or "int" in spec["dtype"]:
        values = rng.randint(0, 2, size=shape)
    else:
        values = rng.standard_normal(shape) * probe["scale"]
    if pad is not None and probe["pattern"] is not None and len(shape) > 1:
        for row in range(shape[0]):
            # Another row of the pattern in each input: masks that are the same would hide which one is used.
            values[row, _masked(probe["pattern"], row + place, shape[0], shape[1])] = pad
    return values.astype(spec["dtype"])


def _masked(pattern, row, rows, steps):
    """The places of the steps that are masked in a row."""
    if pattern == "none":
        return np.arange(steps) if row % rows == rows - 1 else _masked("right", row, rows, steps)
    if pattern == "holes":
        return np.arange(steps)[(np.arange(steps) + row) % 3 == 1] if steps > 1 else np.arange(0)
    count = min(steps - 1, (row % rows) * steps // rows)  # the first row is whole, and none is empty
    return np.arange(count) if pattern == "left" else np.arange(steps - count, steps)


def describe_weights(names, values):
    """What `random_weights` needs to know of a layer's weights, and their hashes."""
    return {
        "names": [str(name) for name in names],
        "shapes": [[int(size) for size in value.shape] for value in values],
        "dtypes": [str(value.dtype) for value in values],
        "scales": [_spread(value) for value in values],
        "sha256": [digest(value) for value in values],
    }


def _spread(value):
    """How widely the values of an array are spread; a float that JSON hands on exactly."""
    if value.dtype.kind != "f" or not value.size:
        return 0.0
    spread = float(np.std(value.astype("float64")))
    return spread if np.isfinite(spread) and spread > 0.05 else 0.25


def random_weights(described, seed):
    """Random arrays for a layer, as widely spread as its own; None in the place of those that are no floats.

    Variances and factors are positive: no model has others, and a negative variance has no root.
    """
    rng = np.random.RandomState(seed)
    made = []
    for name, shape, dtype, scale in zip(
        described["names"], described["shapes"], described["dtypes"], described["scales"]
    ):
        last = name.split("/")[-1].lower()
        if not dtype.startswith("float"):
            made.append(None)
        elif "var" in last or "std" in last or "gamma" in last:
            made.append(rng.uniform(0.5, 1.5, size=shape).astype(dtype))
        else:
            made.append((rng.standard_normal(shape) * scale).astype(dtype))
    return made


def digest(value):
    """The SHA-256 of an array's dtype, shape and values."""
    value = np.ascontiguousarray(value)
    head = "%s %s " % (value.dtype.str, list(map(int, value.shape)))
    return hashlib.sha256(head.encode("ascii") + value.tobytes()).hexdigest()
