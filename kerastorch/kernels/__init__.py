"""Computation on plain tensors: it knows no layer, keeps no state, and has no word of Keras's.

Sequences, in this order:

1. `types.py`: `States`, `Kernel`, `KernelChoice` and the like, which all the others speak of.
2. `fused.py`: torch's kernels over all steps, and masks around them. Below them `operators.py`, which makes such a
   kernel one operator where torch follows or exports it, `onnx_operators.py`, which makes it a node of ONNX, and
   `cudnn.py`, which lays weights out as cuDNN wants them; and `packing.py`, which orders masked steps on a device.
3. `step_loop.py`: one step after the other, for all that torch has no kernel for; `export_scan.py`: the same loop where
   a model is exported.
4. `step_engine.py`: the step loop with derivatives of its own. It takes the equations of a step and their derivatives
   from `equations.py`, of ConvLSTM from `conv_lstm.py`; its activations from `activation_gradients.py`; its products
   from `input_product.py` (inputs, all steps at once), `recurrent_product.py` (states), `matrix_products.py` (oneDNN).
5. `compiled.py`: the same equations in C, where `kerastorch/native/` has been compiled. Which of these runs is for
   `layers/rnn/kernel_choice.py` to say.

Everything else: `convolution.py`, `pooling.py`, `resampling.py` (images made larger), `attention.py`.
"""
