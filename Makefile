# One command builds the book, another proves it: `make help` lists them.
#
#   PYTHON       the python3 that makes the environment
#   VENV         where the environment goes
#   PYTHON_ENV   an environment that has all of requirements.txt already: nothing is installed then
#   TORCH_INDEX  an index with PyTorch's CPU build: on Linux a plain torch brings gigabytes of CUDA
#   SUBMITTED    the folder or zip of submissions that `make grade` grades
#   EXPORTED, LAB, DUE   a platform's own grade file, the lab to fill in, and a file of due dates, for `make gradebook`
#   FROM, TO     a platform's download and the folder to sort it into, for `make collect`
#   LIMITS       other limits for it: LIMITS="--cell-seconds 60 --seconds 300 --memory-gb 2"
#   CLASS        a CSV with a column `student`, for `make key` and `make grade`
#   JOBS         how many submissions `make grade` grades at once; SCHEDULER=tcp://... asks a Dask cluster instead
#   ONLY         the students whom it grades: ONLY="ada bob"; all other rows stay. AGAIN=1: also what has not changed
#   SCORES       the table that it writes, scores.csv; a class, a table
#   UNPROTECTED  1: without a wall around each submission
#   COURSE       a word that changes every student's constants, for `make labs`, `make key` and `make grade`
#   PYTEST_ARGS  what to test, and how: make test PYTEST_ARGS="tests/test_exits.py -x"
#   WORKERS      how many processes test at once; 0 is the one in which a debugger works

PYTHON ?= python3
VENV ?= .venv
PYTHON_ENV ?=
TORCH_INDEX ?=
PYTEST_ARGS ?=
WORKERS ?= 3
SUBMITTED ?=
FROM ?=
EXPORTED ?=
LAB ?=
DUE ?=
TO ?= submitted
LIMITS ?=
CLASS ?=
JOBS ?=
SCHEDULER ?=
ONLY ?=
AGAIN ?=
SCORES ?=
UNPROTECTED ?=
COURSE ?= open

# Any path may hold blanks: quoted for the shell, escaped in the name of a target, and no function of make splits it.
blank := $(subst ,, )
MADE := $(subst $(blank),\ ,$(VENV))/.ready
READY := $(if $(PYTHON_ENV),,$(MADE))
ENVIRONMENT := $(if $(PYTHON_ENV),$(PYTHON_ENV),$(VENV))
BIN := $(if $(filter /%,$(firstword $(ENVIRONMENT))),,$(CURDIR)/)$(ENVIRONMENT)/bin
RUN := "$(BIN)/python"

# nbgrader looks for its tools on PATH; kernels find the package of this tree first.
export PATH := $(BIN):$(PATH)
export PYTHONPATH := $(CURDIR)
# One thread: the same numbers and timings on every machine, and quicker on a shared one.
export OMP_NUM_THREADS ?= 1

.PHONY: help book test live bench offline facts screenshot browser constraints clean labs key collect grade gradebook grader-image rehearse
.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

book: $(READY) ## the book as HTML: every notebook run, every warning an error
	@$(RUN) -m tools.build_book

test: $(READY) browser ## the whole suite: package, every notebook, the built book in a browser
	@$(RUN) -m tools.build_book
	@STOP_WHEN_SURE_BOOK=built $(RUN) -m pytest --numprocesses $(WORKERS) $(PYTEST_ARGS)

live: $(READY) ## the notebooks in JupyterLab
	@$(RUN) -m jupyterlab book/intro.ipynb

labs: $(READY) ## the labs' editions: labs/student/ to hand out, labs/key/ to keep
	@$(RUN) -m labs.tools.editions --course $(COURSE)

key: $(READY) ## every student's own answers: make key CLASS=class.csv
	@$(RUN) -m labs.tools.key "$(or $(CLASS),$(error say which class: make key CLASS=class.csv))" labs/key/class.csv --course $(COURSE)

collect: $(READY) ## a platform's download as one folder a student: make collect FROM=download.zip
	@$(RUN) -m labs.tools.collect "$(or $(FROM),$(error say which download: make collect FROM=download.zip))" "$(TO)" \
		$(if $(CLASS),--class-list "$(CLASS)")

grade: $(READY) ## scores.csv and feedback/ of a folder of submissions: make grade SUBMITTED=folder
	@$(RUN) -m labs.tools.grade "$(or $(SUBMITTED),$(error say which folder: make grade SUBMITTED=folder))" $(LIMITS) \
		$(if $(JOBS),--jobs $(JOBS)) $(if $(SCORES),--scores "$(SCORES)") $(if $(CLASS),--class-list "$(CLASS)") $(if $(filter-out file,$(origin COURSE)),--course "$(COURSE)") \
		$(if $(SCHEDULER),--scheduler "$(SCHEDULER)") $(if $(ONLY),--only $(ONLY)) $(if $(AGAIN),--again) \
		$(if $(UNPROTECTED),--unprotected)

gradebook: $(READY) ## the scores in a platform's own file: make gradebook EXPORTED=file.csv LAB=lab1
	@$(RUN) -m labs.tools.gradebook "$(or $(EXPORTED),$(error say which file: make gradebook EXPORTED=file.csv LAB=lab1))" \
		"$(or $(LAB),$(error say which lab: LAB=lab1))" $(if $(SCORES),--scores "$(SCORES)") --zip "$(LAB) feedback.zip" $(if $(DUE),--due "$(DUE)")

grader-image: $(READY) ## the image in which podman or docker grade; without it, bubblewrap or namespaces do where they work
	@$(RUN) -m labs.tools.walls --image $(if $(TORCH_INDEX),--index "$(TORCH_INDEX)")

rehearse: $(READY) ## an invented class of thirty, ten of them hostile, graded: five to ten minutes
	@$(RUN) -m labs.tools.rehearsal $(if $(JOBS),--jobs $(JOBS)) $(if $(SCHEDULER),--scheduler "$(SCHEDULER)") $(if $(UNPROTECTED),--unprotected)

bench: $(READY) ## the benchmarks, as a table
	@$(RUN) -m benchmarks

offline: book ## the built book as one zip that opens from the folder
	@$(RUN) -m tools.zip_book

facts: $(READY) ## every number of the prose measured again, every question of the pages sealed again
	@$(RUN) -m dtsnn_lite facts --json | $(RUN) -m json.tool --indent 1 - book/facts.json
	@$(RUN) -m tools.seal_questions

screenshot: book browser ## the README's picture of the first page's network, taken from the built page
	@$(RUN) -m tools.screenshot

browser: ## Chromium and Firefox for the browser tests, installed where that needs no password
	@sh tools/find_browser.sh

constraints: $(READY) ## constraints.txt from the environment as it is
	@$(RUN) -m tools.freeze

clean: ## without what was built and the environment; the labs' editions and what was graded stay
	rm -rf _build build dist "$(VENV)" .bounds .pytest_cache .hypothesis .mypy_cache .ruff_cache *.egg-info
	find . \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +

# Debian's python3 has no ensurepip without python3-venv: then Debian's own pip installs into the environment.
$(MADE): requirements.txt constraints.txt pyproject.toml
	@echo "Making $(VENV): about two minutes, most of it downloads."
	$(if $(TORCH_INDEX),,@echo "Linux without a GPU? The README's TORCH_INDEX saves gigabytes.")
	@$(PYTHON) -m venv --clear "$(VENV)" 2>/dev/null || $(PYTHON) -m venv --clear --without-pip "$(VENV)"
	@if [ -x "$(VENV)/bin/pip" ]; then pip() { "$(VENV)/bin/python" -m pip "$$@"; }; \
	else pip() { $(PYTHON) -m pip --python "$(VENV)/bin/python" "$$@"; }; fi; \
	pip install --disable-pip-version-check -r requirements.txt -c constraints.txt \
		$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) && \
	pip install --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch "$@"
