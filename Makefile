# PYTHON=path picks another interpreter, and with it another stack, than the newest that runs here.
.DEFAULT_GOAL := help
PYTHON ?=
VENV := .venv
RUN := $(VENV)/bin
# One stamp for each choice of interpreter, so that another choice makes the environment anew.
READY := $(VENV)/.ready$(subst /,-,$(PYTHON))
TORCH_VENV := .venv-torch
TORCH_READY := $(TORCH_VENV)/.ready
DEMO := runs/demo
GATED := runs/demo-gated
# Two small annotated sets of the sample world, to pre-train and to fine-tune on.
ANNOTATED := runs/annotated-a
OTHER := runs/annotated-b
IMAGE ?= howto100m-tfx
CUDA ?=
HUB_FEATURES := hub:$(DEMO)/hub/local/mil-nce-s3d
BUILDIFIER_VERSION := 8.2.1

.PHONY: help
help: ## Show the targets.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-27s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.lock requirements-uv.lock pyproject.toml tools/setup_venv.sh
	PYTHON='$(PYTHON)' tools/setup_venv.sh
	@touch $@

.PHONY: setup
setup: $(READY) ## Make the virtual environment from the lock file.

.PHONY: demo
demo: setup ## Make sample videos, run the pipeline on them, search with the pushed model.
	$(RUN)/howto100m sample-data --output $(DEMO)/data
	$(RUN)/howto100m run --preset sample --output $(DEMO) --videos $(DEMO)/data/videos \
	  --test-videos $(DEMO)/data/test/videos --test-annotations $(DEMO)/data/test/annotations.csv
	$(RUN)/howto100m search --run $(DEMO) \
	  'cut the red star' 'pour the blue heart' 'rotate the green square'

.PHONY: demo-evaluate
demo-evaluate: demo ## Score the demo's model as a benchmark is scored: a result, and the page of results.
	$(RUN)/howto100m evaluate --benchmark csv --model $(DEMO)/hub/local/mil-nce-s3d \
	  --annotations $(DEMO)/data/test/annotations.csv --videos $(DEMO)/data/test/videos \
	  --set frames.num_frames=8 --set frames.frame_rate=2.5 --set frames.image_size=64 \
	  --store $(DEMO)/embeddings --output $(DEMO)/results/csv
	$(RUN)/howto100m results $(DEMO)/results --output $(DEMO)/results

.PHONY: demo-gated
demo-gated: demo ## The HowTo100M road on the demo's videos, with the demo's S3D as frozen features.
	$(RUN)/howto100m run --preset sample-gated --output $(GATED) --videos $(DEMO)/data/videos \
	  --test-videos $(DEMO)/data/test/videos --test-annotations $(DEMO)/data/test/annotations.csv \
	  --features $(HUB_FEATURES)
	$(RUN)/howto100m search --run $(GATED) \
	  'cut the red star' 'pour the blue heart' 'rotate the green square'

.PHONY: demo-fine-tuning
demo-fine-tuning: demo-gated ## Fine-tune the pushed gated model on a small annotated set: four rows.
	$(RUN)/howto100m sample-data --output $(ANNOTATED)/data --videos 0 --test-videos 40 --seed 7
	$(RUN)/howto100m run --preset sample-gated --output $(ANNOTATED) \
	  --videos $(ANNOTATED)/data/test/videos --annotations $(ANNOTATED)/data/test/annotations.csv \
	  --features $(HUB_FEATURES) --init-from $(GATED)/hub/local/howto100m-gated \
	  --set ingest.eval_fraction=0.5 --set training.videos_per_batch=16 --set training.steps=100

.PHONY: studies
studies: demo-fine-tuning ## The HowTo100M paper's studies on the sample; writes benchmarks/studies/.
	$(RUN)/howto100m sample-data --output $(OTHER)/data --videos 0 --test-videos 40 --seed 8
	$(RUN)/howto100m run --preset sample-gated --output $(OTHER) \
	  --videos $(OTHER)/data/test/videos --annotations $(OTHER)/data/test/annotations.csv \
	  --features $(HUB_FEATURES) --set ingest.eval_fraction=0.1 --set training.steps=100
	$(RUN)/howto100m study size --run $(GATED) --output runs/studies
	$(RUN)/howto100m study negatives --run $(GATED) --output runs/studies
	$(RUN)/howto100m study fraction --target $(ANNOTATED) --output runs/studies \
	  --init-from $(GATED)/hub/local/howto100m-gated
	$(RUN)/howto100m study pretraining --target $(ANNOTATED) --run $(GATED) --run $(OTHER) \
	  --output runs/studies
	mkdir -p benchmarks/studies
	cp runs/studies/*.md runs/studies/*.json runs/studies/*.png benchmarks/studies/

.PHONY: ablations
ablations: setup ## The MIL-NCE paper's table 2 on the sample; writes benchmarks/ablations/.
	$(RUN)/howto100m ablate all --output runs/ablations --seeds 3 --jobs 2
	mkdir -p benchmarks/ablations
	cp runs/ablations/table_2*.md runs/ablations/table_2*.json runs/ablations/table_2*.png \
	  benchmarks/ablations/

.PHONY: benchmark-demo
benchmark-demo: setup ## Time the demo and watch its memory; writes benchmarks/demo.json.
	$(RUN)/python benchmarks/demo.py

.PHONY: benchmark-step-localization
benchmark-step-localization: setup ## Time step localisation on a video of an hour.
	$(RUN)/python benchmarks/step_localization.py

.PHONY: benchmark-gated-step
benchmark-gated-step: setup $(TORCH_READY) ## Time a step of the gated model beside PyTorch.
	$(RUN)/python benchmarks/gated_step.py --torch-python $(TORCH_VENV)/bin/python

.PHONY: benchmark-s3d-step
benchmark-s3d-step: setup $(TORCH_READY) ## Time a training step of S3D beside PyTorch.
	$(RUN)/python benchmarks/s3d_step.py --torch-python $(TORCH_VENV)/bin/python

.PHONY: benchmark-s3d-jax-step
benchmark-s3d-jax-step: setup ## Time S3D's training on JAX, best on a GPU; writes its JSON.
	PYTHONPATH=. $(RUN)/python benchmarks/s3d_jax_step.py --output benchmarks/s3d_jax_step.json

.PHONY: benchmark-extraction-memory
benchmark-extraction-memory: setup ## Memory of feature extraction, 2 minutes against 2 hours.
	$(RUN)/python benchmarks/extraction_memory.py

.PHONY: benchmark-evaluation-memory
benchmark-evaluation-memory: setup ## Memory of a benchmark, 2,000 clips against 10,000.
	$(RUN)/python benchmarks/evaluation_memory.py

.PHONY: benchmark-scaling
benchmark-scaling: setup ## Time an ingest with 1 and 2 workers; what 1.2 M videos would take.
	$(RUN)/python benchmarks/scaling.py

.PHONY: image
image: ## Build the container image of the current stack, IMAGE, with Docker; CUDA=1 for GPUs.
	docker build --build-arg CUDA='$(CUDA)' --tag '$(IMAGE)' .

PYTEST := $(RUN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

.PHONY: test
test: setup ## Run the tests but for the long runs, a file at a time on each core.
	$(PYTEST) -m 'not slow'

.PHONY: test-slow
test-slow: setup ## Run the tests that are whole runs of many minutes.
	$(PYTEST) -m slow

.PHONY: test-kills
test-kills: setup ## Kill the orchestrator of a run ten times, then compare with a run at one go.
	HOWTO100M_KILLS=10 $(RUN)/python -m pytest tests/e2e/test_killed_runs.py

# PyTorch lives beside TensorFlow in an environment of its own, on Python 3.11, without TFX.
$(TORCH_READY): requirements.lock pyproject.toml tools/setup_torch_venv.sh
	PYTHON='$(PYTHON)' tools/setup_torch_venv.sh
	@touch $@

.PHONY: test-torch
test-torch: $(TORCH_READY) ## Run the tests that need PyTorch.
	$(TORCH_VENV)/bin/python -m pytest $$(grep -rlE --include='test_*.py' 'importorskip\("torch"' tests)

.PHONY: lint
lint: setup ## Run the linters; buildifier needs npm.
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	@if command -v npm >/dev/null; then \
	  npm install --silent --no-save --prefix build/buildifier @bazel/buildifier@$(BUILDIFIER_VERSION) && \
	  build/buildifier/node_modules/.bin/buildifier -mode=check -lint=warn BUILD MODULE.bazel; \
	else echo 'lint: no npm here, so BUILD is not checked by buildifier'; fi

.PHONY: format
format: setup ## Format the Python code.
	$(RUN)/ruff check --fix .
	$(RUN)/ruff format .

.PHONY: lock
lock: setup ## Resolve the lock files anew from pyproject.toml.
	.uv/bin/uv pip compile -q --universal --generate-hashes --python-version 3.10 --no-header \
	  --extra dev pyproject.toml -o requirements.lock
	mkdir -p build
	.uv/bin/uv pip compile -q --generate-hashes --python-version 3.13 --no-header --no-annotate \
	  --python-platform x86_64-manylinux_2_40 --extra cuda --constraint requirements.lock \
	  pyproject.toml -o build/requirements-cuda.txt
	awk '/^[a-z]/ {kept = /^nvidia-/} kept' build/requirements-cuda.txt > requirements-cuda.lock

.PHONY: clean
clean: ## Remove the environment and what builds left; runs/ stays.
	rm -rf $(VENV) $(TORCH_VENV) .uv build *.egg-info
