PYTHON ?= .venv/bin/python
PYTEST = $(PYTHON) -m pytest -q --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder
# Tests with real servers mostly wait for media to play: more of them than cores at a time, and first.
WORKERS ?= 5
UV ?= $(PYTHON) -m uv

.DEFAULT_GOAL := help
.PHONY: help lint check test test-links failover interop bench-rtmp bench-rtsp bench-http bench-ingest generate lock

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

lint: ## format, lint, types, layers
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	$(dir $(PYTHON))lint-imports

check: lint ## lint, then the tests that need no other program; under two minutes
	$(PYTEST) -m "not e2e and not interop and not bench"

test: lint ## lint, then all tests, real servers and clients included
	$(PYTEST) -m "not interop and not bench"

test-links: ## as long as is claimed: SRT over bad links, five minutes, and RTP at 50 Mbit/s
	STREAMCTL_LINK_S=300 $(PYTEST) -q tests/e2e/test_links.py tests/e2e/test_rtp_rate.py

failover: ## rehearse failover before real players, five minutes, judged; FAILOVER=slate for some
	$(PYTHON) -m tests.failover $(FAILOVER)

interop: ## real publishers x outputs x players x media, writes docs/interop.md; INTEROP=--full for all
	$(PYTHON) -m tests.interop $(INTEROP)

bench-rtmp: ## CPU per Gbit against nginx-rtmp; BENCH="--runs 1 --only 50" for a quick look
	$(PYTHON) tests/bench/bench_rtmp.py $(BENCH)

bench-rtsp: ## RTSP viewers against RTMP viewers; over UDP what is lost, and how it is paced
	$(PYTHON) tests/bench/bench_rtsp.py $(BENCH)

bench-http: ## segments and playlists against nginx, HTTP-TS against RTMP viewers
	$(PYTHON) tests/bench/bench_http.py $(BENCH)

bench-ingest: ## 25 x 50 Mbit/s of MPEG-TS over UDP, RTP and SRT: losses, and whose CPU it costs
	$(PYTHON) tests/bench/bench_ingest.py $(BENCH)

generate: ## write man/ and completions/ anew
	$(PYTHON) -m streamctl generate

lock: ## write requirements/ci.txt anew; needs uv
	$(UV) pip compile -q --upgrade --universal --python-version 3.11 \
	  --generate-hashes --no-header --no-emit-index-url --group dev --extra uvloop \
	  --output-file requirements/ci.txt pyproject.toml requirements/ci.in
