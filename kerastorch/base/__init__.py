"""What every layer is; nothing here knows a particular layer.

Read in this order:

1. `protocol.py`: the names that the parts of a layer ask of the whole. `registry.py`: the closed table of classes.
2. `layer.py`: `Layer`, from the constructor to `forward`; the rest of this package is what it is made of. Its bases,
   from the lowest on: `torch_module.py` (what torch's own tools ask), `tracking.py` (layers in attributes, lists and
   dicts), `weighted.py` (weights as Keras sees them), `graph_calls.py` (calls on symbolic tensors), `configurable.py`
   (the config) with `recording.py` (of classes without one), `keras_names.py` (what only Keras code asks for).
3. Weights: `variable.py` (a Keras variable and its torch tensors), `weight_tensors.py` (tensors that are variables),
   `variables.py` (those of a layer, in order), `torch_layouts.py` (the layouts of torch's own modules).
4. Building: `building.py` (what surrounds each `build`), `shape_inference.py` (output shapes of layers that do not say
   them).
5. A call: `call_arguments.py` (which arguments are tensors), `dtype_policy.py` (casts), `training_mode.py`,
   `penalties.py` with `../forward_pass.py` (activity regularizers), `ragged.py` (inputs that are no plain tensor).
6. Graphs: `graph.py` (symbolic tensors, nodes), `constants.py` (tensors that a graph holds).
7. What families of layers share: `check.py`, `input_checks.py`, `input_spec.py` (arguments, inputs), `windows.py` and
   `image_layer.py` (strides, padding, channels), `inner_layers.py` (layers around layers), `to_torch.py`.
8. Names: `naming.py` (of layers, of files), `free_names.py` (what a user-defined layer may call its attributes).
"""
