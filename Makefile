# `make check` is what CI runs, besides the README's own commands.
UV ?= uv
RUN ?= $(UV) run

.PHONY: check lint types layers test test-long crash faults fuzz races golden guide reference bench bench-peers

check: lint types layers test

lint:
	$(RUN) ruff format --check .
	$(RUN) ruff check .

types:
	$(RUN) mypy

layers:
	$(RUN) lint-imports

test:
	$(RUN) python -m pytest

# What the ordinary run leaves out to stay short.
test-long:
	$(RUN) python -m pytest -m slow

# Every write point of every command, instead of a sample.
crash:
	AIW_ALL_CRASH_POINTS=1 $(RUN) python -m pytest -m slow tests/faults tests/services/test_request_kills.py

# Every system call that changes a file, killed and failing, instead of a sample; needs strace, takes hours.
faults:
	AIW_ALL_FAULTS=1 $(RUN) python -m pytest -m slow tests/faults/test_system_calls.py tests/faults/test_world.py

# Documents, state files and arguments that nobody should have written: many examples instead of a few.
fuzz:
	AIW_FUZZ_EXAMPLES=$${AIW_FUZZ_EXAMPLES:-1000} $(RUN) python -m pytest tests/fuzz

# Histories of many processes at once, some of them killed, of three kinds; AIW_RACE_SEED=N begins with that one.
races:
	AIW_RACE_ROUNDS=$${AIW_RACE_ROUNDS:-20} $(RUN) python -m pytest -m slow tests/faults/test_races.py

golden:
	UPDATE_GOLDEN=1 $(RUN) python -m pytest tests/rendering -n 0

# Plays what the guide tells, and writes what was printed into docs/guide.
guide:
	UPDATE_GUIDE=1 $(RUN) python -m pytest -m slow tests/guide -n 0

reference:
	$(RUN) python tools/write_reference.py

# Costs of commands at several sizes, into bench/results. Long; sizes: make bench TASKS=10,1000
TASKS ?= 10,1000,10000
bench:
	$(RUN) --group bench python -m bench --tasks $(TASKS) $(if $(PYTHON),--python $(PYTHON))

# The same plan in other tools, into bench/results/peers.md. Installs them into a temporary folder; needs the network.
# PYTHON chooses the interpreter: the public aiw 0.1.0 needs 3.12 or newer.
bench-peers:
	$(RUN) python -m bench --peers --tasks $(TASKS) $(if $(PYTHON),--python $(PYTHON))
