# make demo   a Keras file on PyTorch, compared with what Keras computed
# make test   everything that must hold: lint, format, types, tests against live Keras 3 and tf-keras
# make quick  lint and format, and the tests that need no Keras and are no matter of minutes
# make test-levels  the comparing tests as other processors compute, from no vector units on
# make docs   the pages as a site, in build/site
# make bench  speed, memory and loading against torch and Keras on each backend: docs/benchmarks.md
PYTHON ?= python3
VENV ?= .venv
PY := $(VENV)/bin/python
# -c always: an unpinned torch is another, and a far bigger, download.
PIP := $(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt

.DEFAULT_GOAL := demo
.PHONY: demo dist docs test quick test-levels test-torch gpu-check bench lint format goldens corpus-page names-page curves mutants clean

$(VENV)/.made:
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.package: $(VENV)/.made pyproject.toml constraints.txt hatch_build.py $(wildcard kerastorch/native/*.[ch])
	$(PIP) --editable .
	@touch $@

$(VENV)/.quick: $(VENV)/.package
	$(PIP) --editable '.[quick]'
	@touch $@

$(VENV)/.test: $(VENV)/.package
	$(PIP) --editable '.[test]'
	$(PIP) --no-deps tf-keras
	@touch $@ $(VENV)/.quick

demo: $(VENV)/.package
	$(VENV)/bin/kerastorch summary demo/tagger.keras
	$(VENV)/bin/kerastorch verify demo/tagger.keras --golden demo/tagger.npz

lint: $(VENV)/.test
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m pyright --pythonpath $(PY)

format: $(VENV)/.test
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

# One thread per process: the two test processes must not fight for the cores.
test: lint
	OMP_NUM_THREADS=1 TF_CPP_MIN_LOG_LEVEL=3 $(PY) -m pytest -n 2 -q $(PYTEST_ARGS)

# Without real Keras, so without TensorFlow; without what compiles, installs, measures, or loads files of gigabytes.
QUICK_OUT = tests/layers/test_compile.py tests/test_install.py tests/test_notebooks.py tests/test_benchmarks.py \
	tests/test_gpu_check.py tests/test_levels.py tests/test_load_long.py tests/test_load_memory.py tests/files/test_write.py
quick: $(VENV)/.quick
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	OMP_NUM_THREADS=1 $(PY) -m pytest -n 2 -q -m "not live" $(QUICK_OUT:%=--ignore=%) $(PYTEST_ARGS)

# The core on another torch. TORCH_PYTHON: an environment with that torch, the other dependencies, pytest and hypothesis.
CORE = tests/layers/rnn/test_recurrent.py tests/layers/rnn/test_rnn.py tests/layers/rnn/test_cells.py \
	tests/layers/rnn/test_pair.py tests/layers/rnn/test_bidirectional.py tests/layers/rnn/test_conv_lstm.py \
	tests/layers/test_masked_kernels.py tests/layers/test_kernel_choice.py tests/layers/test_native.py \
	tests/layers/test_native_conv_lstm.py tests/layers/test_engine.py tests/layers/test_second_derivatives.py \
	tests/layers/test_dtypes.py tests/layers/test_compile.py tests/layers/test_compile_small.py \
	tests/layers/test_functional_transforms.py tests/layers/test_gemm.py tests/layers/test_trace.py \
	tests/layers/test_threads.py tests/models/test_model.py tests/models/test_masks.py tests/models/test_predict.py \
	tests/models/test_torch_compile_stays.py tests/test_load.py tests/test_load_weights.py \
	tests/saving/test_round_trip.py tests/interop/test_from_torch_modules.py tests/interop/test_recurrent_modules.py \
	tests/interop/test_from_torch_models.py tests/test_clipping.py tests/test_torch_private.py \
	tests/test_activations.py tests/training/test_fit.py tests/optimizers/test_optimizers.py \
	tests/losses/test_losses.py tests/metrics/test_metrics.py
test-torch:
	PYTHONPATH=. OMP_NUM_THREADS=1 $(TORCH_PYTHON) -m pytest -q -p no:cacheprovider $(CORE) $(PYTEST_ARGS)

# On a machine with a GPU: what only a device can confirm. Any python with torch and the dependencies will do.
GPU_PYTHON ?= $(PY)
gpu-check:
	PYTHONPATH=. $(GPU_PYTHON) benchmarks/gpu_check $(GPU_ARGS)

# Minutes for each level; LEVELS_ARGS=--live with live Keras too, which takes an hour.
test-levels: $(VENV)/.test
	$(PY) tests/levels.py $(LEVELS_ARGS)

$(VENV)/.bench: $(VENV)/.test
	$(PIP) --editable '.[bench]'
	@touch $@

# Keras on JAX in an environment of its own: what TensorFlow pins and what JAX needs must not meet.
$(VENV)-jax/.made: benchmarks/constraints-jax.txt
	$(PYTHON) -m venv $(VENV)-jax
	$(VENV)-jax/bin/python -m pip install --quiet --disable-pip-version-check -c $< keras jax
	@touch $@

bench: $(VENV)/.bench $(VENV)-jax/.made
	$(PY) benchmarks/bench.py --jax $(VENV)-jax/bin/python $(BENCH_ARGS)
	$(PY) benchmarks/bench_fit.py --python jax=$(VENV)-jax/bin/python

# Two processes: Keras 3 and tf-keras register the same names in TensorFlow.
goldens: $(VENV)/.test
	TF_CPP_MIN_LOG_LEVEL=3 $(PY) tests/make_goldens.py keras
	TF_CPP_MIN_LOG_LEVEL=3 $(PY) tests/make_goldens.py tf_keras
	PYTHONPATH=tests TF_CPP_MIN_LOG_LEVEL=3 $(PY) tests/make_goldens_operations.py
	PYTHONPATH=tests TF_CPP_MIN_LOG_LEVEL=3 $(PY) tests/make_goldens_layers.py
	PYTHONPATH=tests $(PY) tests/make_outcomes.py

# Where the real files stand beside the checkout.
corpus-page: $(VENV)/.test
	OMP_NUM_THREADS=1 $(PY) tests/make_corpus_table.py

names-page: $(VENV)/.test
	OMP_NUM_THREADS=1 $(PY) tests/make_keras_names.py

docs: $(VENV)/.test
	OMP_NUM_THREADS=1 NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict

# auditwheel names the oldest Linux that the wheel runs on.
dist: $(VENV)/.package
	$(PIP) build auditwheel
	$(PY) -m build --outdir dist .
	KERASTORCH_PURE=1 $(PY) -m build --wheel --outdir dist .
	test "$$(uname -s)" != Linux || $(PY) -m auditwheel show dist/*linux*.whl

curves: $(VENV)/.bench
	OMP_NUM_THREADS=1 PYTHONPATH=.:tests $(PY) tests/make_curves.py

# Single faults planted in a copy of the working tree: docs/mutants.md. About an hour; results are kept as they come.
mutants: $(VENV)/.test
	PYTHONPATH=tests $(PY) -m mutation $(MUTANTS_ARGS)

clean:
	rm -rf $(VENV) $(VENV)-jax build dist .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
