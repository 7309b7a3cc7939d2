"""What do many searches cost? API requests per candidate, and the operator's memory, with 1, 50 and 200 searches.

    python benchmarks/operator_scale/run.py [--searches 1 50 200]

The pods are scripted; API server, Job controller and operator are real. The requests are the operator's own, as its
metrics count them.
"""

import argparse
import sys
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import operator_bench

EVALUATIONS = 8
SEARCH = {"maxEvaluations": EVALUATIONS, "algorithm": {"cmaes": {"populationSize": 4}}}
BASELINES_AND_CONFIRMATIONS = 12
"""Evaluations beside the search's own: five of baselines, and seven at most to confirm."""


def requests(port: int) -> tuple[int, int]:
    """Requests of the operator so far: all, and those that write."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    counted = [line for line in lines if line.startswith("mergesearch_api_requests_total{")]
    everything = sum(float(line.rsplit(" ", 1)[1]) for line in counted)
    reads = sum(float(line.rsplit(" ", 1)[1]) for line in counted if 'verb="GET"' in line)
    return int(everything), int(everything - reads)


def main() -> int:
    """Print a row for each number of searches."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--searches", type=int, nargs="+", default=[1, 50, 200])
    arguments = parser.parse_args()
    print("searches  seconds  requests/evaluation  writes/evaluation  idle requests/s  operator RSS MiB")
    for count in arguments.searches:
        with operator_bench.bench(run_seconds=0.5) as bench:
            began = time.monotonic()
            for number in range(count):
                bench.create(f"search-{number:03d}", search=SEARCH)
            bench.wait("Complete", 3000)
            seconds = time.monotonic() - began
            everything, writes = requests(bench.metrics_port)
            memory = bench.resident_bytes() / 2**20
            time.sleep(65)
            idle = (requests(bench.metrics_port)[0] - everything) / 65
        evaluations = count * (EVALUATIONS + BASELINES_AND_CONFIRMATIONS)
        each, written = everything / evaluations, writes / evaluations
        print(f"{count:8d}  {seconds:7.0f}  {each:19.1f}  {written:17.1f}  {idle:15.1f}  {memory:16.0f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
