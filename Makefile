# From a bare machine to a verdict. Needs Python 3.11, git and make; everything else is set up.
#
# make itself ends with 2 whatever goes wrong below it. Scripts that need the command's own exit code (0
# accepted, 1 rejected, 2 usage, 3 undecided) call .venv/bin/harness after `make setup`.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
LOSS ?= examples/discopop.py
TESTS ?= tests
BIN := .venv/bin

.PHONY: reproduce stage check test test-rest test-all setup gvisor redteam fuzz trace image lint bench lock discover

check: setup
	@$(BIN)/harness check $(LOSS)

test: setup
	@$(PYTHON) -m harness.setup --no-engine --train
	@$(BIN)/python tests/run.py $(TESTS)

# What takes longer: the layers switched off one by one, gVisor, killed workers, ranks, trainings that are killed anywhere.
test-rest: setup
	@$(PYTHON) -m harness.setup --no-engine --train
	@$(BIN)/python tests/run.py --rest

# Everything there is: also all of each kind that the others have some of. docs/testing.md says which.
test-all: test
	@$(BIN)/python tests/run.py --whole

setup:
	@$(PYTHON) -m harness.setup

# gVisor as a second runtime of this machine's engine; changes /etc/docker/daemon.json.
gvisor: setup
	@$(BIN)/python -c "from harness.setup import gvisor; gvisor.ensure()"

# The whole hostile corpus: screen on, screen off, and under gVisor; a table by class.
redteam: setup
	@$(BIN)/python tests/adversarial/redteam.py

# A million inputs and more for whatever reads what a sandbox or a language model sent.
fuzz: setup
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps atheris==3.0.0
	@$(BIN)/python tests/fuzz/run.py

# For maintainers: the system calls that sandboxes make, held against the seccomp allow-list.
trace: setup
	@$(BIN)/python -m bench.trace

image:
	@$(PYTHON) -m harness.setup --no-image
	@$(BIN)/harness image build

lint:
	@$(PYTHON) -m harness.setup --no-engine
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/mypy -m run -m adversarial.test_layers -m integration.test_identity -m unit.llm_judge.conftest -m unit.trainer_control.conftest -m unit.trainer_finetune.conftest
	@$(BIN)/lint-imports --no-cache --no-logo

bench: setup
	@$(BIN)/python -m bench

# A recorded discovery: bad replies, findings that are learnt from, and a loss above DPO at the end. No key, no network.
discover: setup
	@$(BIN)/harness discover --proposer replay:examples/discovery/replies.jsonl --generations 7

# The whole story on a shipped example: a run, its archive, what verifies it, and all of it once more to the same bits.
AGAIN := .harness/reproduce
reproduce: setup
	@rm -rf $(AGAIN)
	@$(BIN)/harness run examples/slic.py --folder $(AGAIN)
	@$(BIN)/harness ledger verify --folder $(AGAIN)
	@$(BIN)/harness export 1 --folder $(AGAIN) --output $(AGAIN)/run-1.crate.zip
	@$(BIN)/harness verify $(AGAIN)/run-1.crate.zip --accepted
	@$(BIN)/harness reproduce $(AGAIN)/run-1.crate.zip

# For maintainers: ask the package index what the locks should say now.
lock:
	@$(PYTHON) -m harness.setup --no-engine
	@$(BIN)/python -m harness.setup.relock

# The whole ladder in small: a tiny model is fine-tuned with a shipped loss, its answers are judged, and it is promoted.
STAGE := .harness/stage
stage: setup
	@$(PYTHON) -m harness.setup --no-engine --train
	@$(BIN)/harness image build --for trainer
	@rm -rf $(STAGE)
	@$(BIN)/python examples/stage/world.py $(STAGE)
	@$(BIN)/python examples/stage/judge.py $(BIN)/harness run examples/slic.py --ladder examples/stage/stage.toml --folder $(STAGE)
	@$(BIN)/harness answer 1 --questions $(STAGE)/questions.jsonl --tokens 16 --folder $(STAGE) --output $(STAGE)/answers.jsonl
	@$(BIN)/harness weights --folder $(STAGE)
