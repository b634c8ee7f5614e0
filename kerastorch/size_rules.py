"""The sizes at which one way of computing becomes faster than another: every such number, and what it comes from.

A number is of multiplications, elements, rows or steps, so that it does not depend on how fast a processor is; where it
depends on the processor's vector units, it stands for each level of the compiled library (`native.level`). All are for
float32 on the CPU. A rule is changed here after its benchmark has been run on more than one make of processor.

| rule | decides | measured by |
|---|---|---|
| `LSTM_WORK`, `LSTM_OUTPUTS` | compiled code or torch's LSTM | `benchmarks/lstm_rule.py`, `benchmarks/results/lstm-rule.md` |
| `LOOP_WORK`, `COMPILED_STEPS`, `WEIGHTS_OF_A_STEP` | compiled code or torch's GRU and SimpleRNN | GRU and SimpleRNN rows of `make bench` |
| `LOOP_STEPS`, `LOOP_ROWS`, `LOOP_STATE` | the step engine or torch's GRU and SimpleRNN, without compiled code | no benchmark is kept |
| `PACKED_WEIGHTS` | compiled code or the step engine | wide rows of `make bench` |
| `IMAGE_WORK` | a thread for each image, or all for one | ConvLSTM rows of `make bench` |
| `THREADED_WORK` | one thread or all | two-thread rows of `make bench` |
| `PRODUCT_WORK` | oneDNN's matrix product or that of the BLAS | `benchmarks/product_rule.py`, `benchmarks/results/product-rule.md` |
| `TANH_ELEMENTS` | tanh by expm1 or by torch | no benchmark is kept |
"""  # noqa: E501

from __future__ import annotations

import math

# Up to so many multiplications a step compiled code is faster than torch's LSTM. With few vector units torch's, which
# takes all that the processor has, is soon faster: of 16 rows and 32 units, AVX-512 takes 1.0 of its time, AVX2 1.2,
# the plain level 2.
LSTM_WORK = {"AVX512": 2**15, "AVX2": 2**14, "DEFAULT": 2**11}
# In inference up to so many outputs, too (rows, steps and units multiplied): the gates of all steps are in memory at
# once, and of twice as many compiled code takes 1.15 to 1.2 of torch's time.
LSTM_OUTPUTS = {"AVX512": 2**16, "AVX2": 2**14, "DEFAULT": 2**13}

# It is faster than torch's loops of GRU and SimpleRNN from so many steps on, if the sequence is long enough to make up
# for packing the weights (so many weights for each step); the plain level up to so many multiplications of a gate.
COMPILED_STEPS = 4
WEIGHTS_OF_A_STEP = 2**14
LOOP_WORK = {"DEFAULT": 2**15}

# Without compiled code the step engine is faster than those loops: in a training step from so many steps on and for
# batches up to so many rows; in inference from so many elements of a state on, and where oneDNN pays for the product
# of a step.
LOOP_STEPS = 16
LOOP_ROWS = 128
LOOP_STATE = 4096

PACKED_WEIGHTS = 2**20  # in the recurrent matrix: beyond, the time to pack it grows faster than the time for a step
# Multiplications of a step for an image of a ConvLSTM, where there are fewer images than threads: each image has one.
IMAGE_WORK = 2**25
THREADED_WORK = 2**18  # multiplications for which a second thread pays

# Multiplications from which on oneDNN's product is the faster one. MKL takes all vector units of Intel's processors:
# there none gains for sure. Of the others, 32 x 128 x 512 is the smallest that was measured to gain, on Zen 4.
PRODUCT_WORK = {"MKL on Intel": math.inf, "other": 2**21}
TANH_ELEMENTS = 8192  # below, several operations in the place of one cost more than they save
