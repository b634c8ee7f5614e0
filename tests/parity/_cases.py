"""The table of configurations that kerastorch and real Keras are compared on."""

from __future__ import annotations

from typing import Any

from ._compare import BATCH, FEATURES, MASKS, TIME, UNITS, Case, variants

KERAS3 = ("keras3",)
# Names that both frameworks know; Keras 3 alone knows the others.
ACTIVATIONS_BOTH = [
    "elu",
    "exponential",
    "gelu",
    "hard_sigmoid",
    "linear",
    "mish",
    "relu",
    "selu",
    "sigmoid",
    "softmax",
    "softplus",
    "softsign",
    "swish",
    "tanh",
]
# Without glu (halves its axis) and threshold (has no default).
ACTIVATIONS_KERAS3 = [
    "celu",
    "hard_shrink",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "log_sigmoid",
    "log_softmax",
    "relu6",
    "silu",
    "soft_shrink",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "tanh_shrink",
]
ACTIVATIONS = [*ACTIVATIONS_BOTH, *ACTIVATIONS_KERAS3]


def frameworks_of(activation: str) -> tuple[str, ...]:
    return ("keras3", "keras2") if activation in ACTIVATIONS_BOTH else KERAS3


RECURRENT = (
    Case("LSTM", "LSTM", {"units": UNITS}),
    Case("GRU", "GRU", {"units": UNITS}),
    Case("GRU(reset_after=False)", "GRU", {"units": UNITS, "reset_after": False}),
    Case("SimpleRNN", "SimpleRNN", {"units": UNITS}),
)
STATES = {"LSTM": 2, "GRU": 1, "SimpleRNN": 1}
SEQUENCES = {"return_sequences": True}
ALL_OUTPUTS = {"return_sequences": True, "return_state": True}
BACKWARDS = {"go_backwards": True}


def _recurrent(base: Case) -> list[Case]:
    states = STATES[base.layer]
    cases = [
        base,
        variants(base, "sequences", SEQUENCES),
        variants(base, "state", {"return_state": True}),
        variants(base, "sequences state", ALL_OUTPUTS),
        variants(base, "backwards", BACKWARDS),
        variants(base, "backwards sequences state", {**ALL_OUTPUTS, **BACKWARDS}),
        variants(base, "initial_state", ALL_OUTPUTS, states=states),
        variants(base, "initial_state backwards", {**ALL_OUTPUTS, **BACKWARDS}, states=states),
        variants(base, "no bias", {"use_bias": False, **SEQUENCES}),
        variants(base, "no bias holes", {"use_bias": False, **ALL_OUTPUTS}, mask="holes"),
        variants(base, "unroll", {"unroll": True, **ALL_OUTPUTS}, mask="right"),
        variants(base, "rates in evaluation", {"dropout": 0.5, "recurrent_dropout": 0.5, **SEQUENCES}),
        variants(base, "one step", ALL_OUTPUTS, shapes=((BATCH, 1, FEATURES),)),
        variants(base, "one feature", ALL_OUTPUTS, shapes=((BATCH, TIME, 1),), mask="right"),
        variants(base, "one unit", {**ALL_OUTPUTS, "units": 1}, mask="holes"),
        variants(base, "float64", ALL_OUTPUTS, dtype="float64", states=states),
        variants(base, "float64 backwards holes", {**ALL_OUTPUTS, **BACKWARDS}, dtype="float64", mask="holes"),
        variants(base, "empty row state only", {"return_state": True}, mask="empty row", states=states),
        variants(base, "none at all", ALL_OUTPUTS, mask="none at all", states=states),
        variants(base, "training without rates", ALL_OUTPUTS, mask="left", training=True),
    ]
    for mask in MASKS:
        cases += [
            variants(base, f"mask {mask} last output", mask=mask),
            variants(base, f"mask {mask} zero last output", {"zero_output_for_mask": True}, mask=mask),
            variants(base, f"mask {mask}", ALL_OUTPUTS, mask=mask),
            variants(
                base, f"mask {mask} backwards initial_state", {**ALL_OUTPUTS, **BACKWARDS}, mask=mask, states=states
            ),
            variants(
                base,
                f"mask {mask} zero_output_for_mask",
                {**ALL_OUTPUTS, "zero_output_for_mask": True},
                mask=mask,
                states=states,
            ),
        ]
    cases.append(
        variants(
            base,
            "zero_output_for_mask backwards",
            {**SEQUENCES, **BACKWARDS, "zero_output_for_mask": True},
            mask="right",
        )
    )
    if base.layer == "LSTM":
        cases.append(variants(base, "no unit_forget_bias", {"unit_forget_bias": False}))
    if base.layer != "SimpleRNN":
        cases += [
            variants(base, f"implementation {n}", {"implementation": n, **SEQUENCES}, frameworks=("keras2",))
            for n in (1, 2)
        ]
    return cases


def _kernel_choices(base: Case) -> list[Case]:
    """Configurations that no fused kernel covers, with masks, states and both precisions."""
    other: dict[str, Any] = {"activation": "relu"}
    if base.layer != "SimpleRNN":
        other["recurrent_activation"] = "hard_sigmoid"
    loop = variants(base, "loop", {**other, **ALL_OUTPUTS})
    states = STATES[base.layer]
    return [
        loop,
        variants(loop, "backwards", BACKWARDS, states=states),
        variants(loop, "float64 holes", dtype="float64", mask="holes", states=states),
        variants(loop, "no bias", {"use_bias": False}, mask="left"),
        variants(loop, "zero_output_for_mask", {"zero_output_for_mask": True}, mask="right"),
        *(variants(loop, f"mask {mask}", mask=mask) for mask in MASKS),
    ]


RECURRENT_CASES = [case for base in RECURRENT for case in (*_recurrent(base), *_kernel_choices(base))]


def _inner(base: Case, **options: Any) -> dict[str, Any]:
    return {"class_name": base.layer, "config": {**base.config, **options}}


def _bidirectional(base: Case) -> list[Case]:
    states = 2 * STATES[base.layer]
    cases = []
    for merge in ("concat", "sum", "mul", "ave", None):
        for sequences in (False, True):
            name = f"Bidirectional({base.id}) {merge}{' sequences' if sequences else ''}"
            inner = _inner(base, return_sequences=sequences)
            cases.append(Case(name, "Bidirectional", {"layer": inner, "merge_mode": merge}))
        everything = {"layer": _inner(base, **ALL_OUTPUTS), "merge_mode": merge}
        cases.append(
            Case(
                f"Bidirectional({base.id}) {merge} everything", "Bidirectional", everything, mask="right", states=states
            )
        )
    plain = Case(f"Bidirectional({base.id})", "Bidirectional", {"layer": _inner(base, **SEQUENCES)})
    cases += [
        *(variants(plain, f"mask {mask}", mask=mask) for mask in MASKS),
        *(variants(plain, f"mask {mask} last output", {"layer": _inner(base)}, mask=mask) for mask in MASKS),
        variants(plain, "float64", dtype="float64", mask="holes"),
        variants(plain, "no bias", {"layer": _inner(base, use_bias=False)}),
        variants(plain, "zero_output_for_mask", {"layer": _inner(base, zero_output_for_mask=True)}, mask="holes"),
        variants(plain, "initial_state", {"layer": _inner(base, return_state=True)}, states=states),
        variants(
            plain,
            "own backward layer",
            {
                "layer": _inner(base, **SEQUENCES),
                "backward_layer": _inner(base, activation="relu", go_backwards=True, **SEQUENCES),
            },
            mask="left",
        ),
        variants(
            plain,
            "forward layer goes backwards",
            {
                "layer": _inner(base, go_backwards=True, **SEQUENCES),
                "backward_layer": _inner(base, go_backwards=False, **SEQUENCES),
            },
        ),
    ]
    return cases


BIDIRECTIONAL_CASES = [case for base in RECURRENT for case in _bidirectional(base)]
BIDIRECTIONAL_CASES.append(
    Case(
        "Bidirectional(LSTM forth, GRU back)",
        "Bidirectional",
        {"layer": _inner(RECURRENT[0], **SEQUENCES), "backward_layer": _inner(RECURRENT[1], **SEQUENCES, **BACKWARDS)},
        mask="holes",
    )
)

X2, X3, X4 = (BATCH, FEATURES), (BATCH, TIME, FEATURES), (BATCH, TIME, 2, FEATURES)


def _wrap(class_name: str, **config: Any) -> dict[str, Any]:
    return {"layer": {"class_name": class_name, "config": config}}


_SPECTRAL = "SpectralNormalization"
SPECTRAL_CASES = [
    # tf-keras's fails in its own checks, unless it is TensorFlow's Keras.
    Case("SpectralNormalization(Dense)", _SPECTRAL, _wrap("Dense", units=4, activation="tanh"), frameworks=KERAS3),
    # Of integers Keras makes integers.
    Case(
        "SpectralNormalization(Embedding)",
        _SPECTRAL,
        _wrap("Embedding", input_dim=9, output_dim=3),
        shapes=((BATCH, TIME),),
        integers=9,
        frameworks=KERAS3,
    ),
    *(
        Case(
            f"SpectralNormalization({name}) training {steps} {calls}",
            _SPECTRAL,
            {**_wrap(name, **config), "power_iterations": steps},
            shapes=(shape,),
            training=True,
            calls=calls,
            frameworks=KERAS3,
        )
        for name, config, shape, steps, calls in (
            ("Dense", {"units": 4, "activation": "tanh"}, (BATCH, TIME, FEATURES), 1, 1),
            ("EinsumDense", {"equation": "abc,cde->abde", "output_shape": (TIME, 2, 3)}, (BATCH, TIME, FEATURES), 2, 3),
            ("Conv1D", {"filters": 4, "kernel_size": 3}, (BATCH, TIME, FEATURES), 2, 2),
            ("Conv2DTranspose", {"filters": 2, "kernel_size": 2}, (BATCH, 4, 3, 2), 3, 2),
            ("DepthwiseConv1D", {"kernel_size": 2, "depth_multiplier": 2}, (BATCH, TIME, FEATURES), 1, 2),
        )
    ),
]

TIME_DISTRIBUTED_CASES = [
    Case("TimeDistributed(Dense)", "TimeDistributed", _wrap("Dense", units=2, activation="tanh")),
    Case("TimeDistributed(Dense) mask", "TimeDistributed", _wrap("Dense", units=2), mask="holes"),
    Case("TimeDistributed(Dense) 4-D", "TimeDistributed", _wrap("Dense", units=2), shapes=(X4,)),
    Case("TimeDistributed(Dense) float64", "TimeDistributed", _wrap("Dense", units=2), dtype="float64"),
    Case("TimeDistributed(LSTM)", "TimeDistributed", _wrap("LSTM", units=3, return_sequences=True), shapes=(X4,)),
    Case("TimeDistributed(GRU)", "TimeDistributed", _wrap("GRU", units=3), shapes=(X4,)),
    Case("TimeDistributed(Flatten)", "TimeDistributed", _wrap("Flatten"), shapes=(X4,)),
    Case("TimeDistributed(Reshape)", "TimeDistributed", _wrap("Reshape", target_shape=(-1, 4)), shapes=(X4,)),
    Case("TimeDistributed(Permute)", "TimeDistributed", _wrap("Permute", dims=(2, 1)), shapes=(X4,)),
    Case("TimeDistributed(RepeatVector)", "TimeDistributed", _wrap("RepeatVector", n=3)),
    Case("TimeDistributed(Activation)", "TimeDistributed", _wrap("Activation", activation="softmax")),
    Case("TimeDistributed(Dropout)", "TimeDistributed", _wrap("Dropout", rate=0.5)),
    Case("TimeDistributed(LayerNormalization)", "TimeDistributed", _wrap("LayerNormalization"), shapes=(X4,)),
    Case("TimeDistributed(BatchNormalization)", "TimeDistributed", _wrap("BatchNormalization")),
    Case("TimeDistributed(Embedding)", "TimeDistributed", _wrap("Embedding", input_dim=6, output_dim=3),
         shapes=((BATCH, TIME, 2),), integers=6),
    Case("TimeDistributed(TimeDistributed)", "TimeDistributed",
         {"layer": {"class_name": "TimeDistributed", "config": _wrap("Dense", units=2)}}, shapes=(X4,)),
    Case("TimeDistributed(Bidirectional)", "TimeDistributed",
         {"layer": {"class_name": "Bidirectional", "config": _wrap("LSTM", units=2)}}, shapes=(X4,)),
]  # fmt: skip


def _core() -> list[Case]:
    ids = {"shapes": ((BATCH, TIME),), "integers": 6}
    embedding = {"input_dim": 6, "output_dim": 3}
    cases = [
        Case("Embedding", "Embedding", embedding, **ids),
        Case("Embedding mask_zero", "Embedding", {**embedding, "mask_zero": True}, **ids),
        Case("Embedding float64", "Embedding", embedding, **ids, dtype="float64"),
        Case("Embedding 3-D", "Embedding", embedding, shapes=((BATCH, TIME, 2),), integers=6),
        Case("Embedding input_length", "Embedding", {**embedding, "input_length": TIME}, **ids, frameworks=("keras2",)),
        Case("Masking", "Masking"),
        Case("Dropout evaluation", "Dropout", {"rate": 0.5}, mask="right", pass_mask=False),
        Case("Dropout rate 0 training", "Dropout", {"rate": 0.0}, training=True),
        Case("SpatialDropout1D evaluation", "SpatialDropout1D", {"rate": 0.5}, mask="right", pass_mask=False),
        Case("RepeatVector", "RepeatVector", {"n": 3}, shapes=(X2,)),
        Case("Flatten", "Flatten"),
        Case("Flatten 2-D", "Flatten", shapes=(X2,)),
        Case("Flatten 1-D", "Flatten", shapes=((BATCH,),)),
        Case("Flatten 4-D", "Flatten", shapes=(X4,)),
        Case("Flatten channels_first", "Flatten", {"data_format": "channels_first"}, shapes=(X4,)),
        Case("Reshape", "Reshape", {"target_shape": (4, 5)}),
        Case("Reshape -1", "Reshape", {"target_shape": (-1, 2)}),
        Case("Reshape -1 middle", "Reshape", {"target_shape": (2, -1, 2)}),
        Case("Reshape flat", "Reshape", {"target_shape": (20,)}),
        Case("Permute", "Permute", {"dims": (2, 1)}),
        Case("Permute 4-D", "Permute", {"dims": (3, 1, 2)}, shapes=(X4,)),
        Case("Activation mask", "Activation", {"activation": "tanh"}, mask="holes", pass_mask=False),
        Case("Dense mask", "Dense", {"units": 3}, mask="holes", pass_mask=False),
        Case("Dense float64", "Dense", {"units": 3}, dtype="float64"),
    ]
    for shape in (X2, X3, X4):
        cases.append(Case(f"Dense {len(shape)}-D", "Dense", {"units": FEATURES, "activation": "tanh"}, shapes=(shape,)))
        cases.append(Case(f"Dense {len(shape)}-D no bias", "Dense", {"units": 3, "use_bias": False}, shapes=(shape,)))
    for name in (*ACTIVATIONS, "glu"):
        frameworks = frameworks_of(name)
        cases.append(Case(f"Activation {name}", "Activation", {"activation": name}, frameworks=frameworks))
        if name != "glu":
            cases.append(Case(f"Dense {name}", "Dense", {"units": 3, "activation": name}, frameworks=frameworks))
    return cases


CORE_CASES = _core()


def _normalization() -> list[Case]:
    cases = []
    for training in (False, True):
        mode = "training" if training else "evaluation"
        batch = Case(f"BatchNormalization {mode}", "BatchNormalization", training=training)
        cases += [
            batch,
            variants(batch, "2-D", shapes=((7, FEATURES),)),
            variants(batch, "momentum", {"momentum": 0.6, "epsilon": 0.01}),
            variants(batch, "no scale", {"scale": False}),
            variants(batch, "no center", {"center": False}),
            variants(batch, "neither", {"scale": False, "center": False}),
            variants(batch, "axis 1", {"axis": 1}),
            # tf-keras's fused kernel, for 4-D with axis 1 or 3, corrects the moving variance for the sample size, which
            # no other path and no other Keras does.
            variants(batch, "4-D axis 1", {"axis": 1}, shapes=(X4,), frameworks=KERAS3),
            variants(batch, "4-D axis 2", {"axis": 2}, shapes=(X4,)),
            variants(batch, "4-D", shapes=(X4,), frameworks=KERAS3),
            # tf-keras keeps 1 - momentum in float32: only a power of two is exact.
            variants(batch, "float64", {"momentum": 0.5}, dtype="float64"),
            variants(batch, "two calls", {"momentum": 0.5}, calls=2),
            variants(batch, "mask right", mask="right", frameworks=KERAS3),
            variants(batch, "mask holes", {"momentum": 0.5}, mask="holes", frameworks=KERAS3, calls=2),
            variants(batch, "mask empty row", mask="empty row", frameworks=KERAS3),
            variants(batch, "mask full float64", mask="full", dtype="float64", frameworks=KERAS3),
        ]
    layer = Case("LayerNormalization", "LayerNormalization")
    return [
        *cases,
        layer,
        variants(layer, "2-D", shapes=(X2,)),
        variants(layer, "axis 1", {"axis": 1}),
        variants(layer, "axis [1]", {"axis": [1]}),
        variants(layer, "axes [1, 2]", {"axis": [1, 2]}),
        variants(layer, "axes [2, 1]", {"axis": [2, 1]}, frameworks=KERAS3),
        variants(layer, "4-D axes [2, 3]", {"axis": [2, 3]}, shapes=(X4,)),
        variants(layer, "4-D axes [1, 3]", {"axis": [1, 3]}, shapes=(X4,)),
        variants(layer, "epsilon", {"epsilon": 0.1}),
        variants(layer, "no scale", {"scale": False}),
        variants(layer, "no center", {"center": False}),
        variants(layer, "neither", {"scale": False, "center": False}),
        variants(layer, "float64", dtype="float64"),
        variants(layer, "mask", mask="right", pass_mask=False),
        variants(layer, "training", training=True),
    ]


NORMALIZATION_CASES = _normalization()
