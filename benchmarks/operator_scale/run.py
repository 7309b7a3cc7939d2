"""What do many searches cost? The operator's API requests, memory and CPU with 1, 50 and 200 searches.

    python benchmarks/operator_scale/run.py [--searches 1 50 200] [--evaluations 8] [--seconds 3000] [--program PATH]

The pods are scripted; API server, Job controller and operator are real. The requests are the operator's own, as its
metrics count them. After `--seconds` the searches that have not come to their ends are looked at as they are, with pods
that run on and on. `--program` is another `mergesearch-operator`, such as one in an environment that has exactly what
the image has (`constraints/operator.txt`); the one of a development environment carries more.
"""

import argparse
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import operator_bench

POPULATION = 4
SETTLE_SECONDS = 40.0
IDLE_SECONDS = 65.0
"""Longer than the time between two resyncs."""
HEADER = (
    "searches  evaluations  seconds  requests/evaluation  writes  CPU ms/evaluation  idle requests/s  RSS MiB  peak"
)


def search(evaluations: int) -> dict[str, Any]:
    """The part of the spec."""
    return {"maxEvaluations": evaluations, "algorithm": {"cmaes": {"populationSize": min(POPULATION, evaluations)}}}


def requests(port: int) -> tuple[int, int]:
    """Requests of the operator so far: all, and those that write."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    counted = [line for line in lines if line.startswith("mergesearch_api_requests_total{")]
    everything = sum(float(line.rsplit(" ", 1)[1]) for line in counted)
    reads = sum(float(line.rsplit(" ", 1)[1]) for line in counted if 'verb="GET"' in line)
    return int(everything), int(everything - reads)


def row(bench: operator_bench.Bench, count: int, evaluations: int, limit: float) -> str:
    """Run so many searches to their ends, or for so long, and look at the operator while it has nothing to do."""
    began = time.monotonic()
    for number in range(count):
        bench.create(f"search-{number:03d}", search=search(evaluations))
    try:
        bench.wait("Complete", limit)
    except TimeoutError as told:
        print(told, flush=True)
        bench.kubelet.held = lambda _request: True
        # What follows from the pods that have ended goes on for a while.
        time.sleep(SETTLE_SECONDS)
    seconds, used = time.monotonic() - began, bench.processor_seconds()
    everything, writes = requests(bench.metrics_port)
    scored = bench.evaluations()
    time.sleep(IDLE_SECONDS)
    idle = (requests(bench.metrics_port)[0] - everything) / IDLE_SECONDS
    now, peak = (bytes_used / 2**20 for bytes_used in bench.resident_bytes())
    each, written, processor = everything / scored, writes / scored, 1000 * used / scored
    return (
        f"{count:8d}  {scored:11d}  {seconds:7.0f}  {each:19.1f}  {written:6.1f}  {processor:17.0f}  {idle:15.1f}"
        f"  {now:7.0f}  {peak:4.0f}"
    )


def main() -> int:
    """Print a row for each number of searches."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--searches", type=int, nargs="+", default=[1, 50, 200])
    parser.add_argument("--evaluations", type=int, default=8, help="of each search, beside baselines and confirmations")
    parser.add_argument("--seconds", type=float, default=3000.0, help="for each number of searches")
    parser.add_argument("--program", type=Path, default=operator_bench.BESIDE_PYTHON)
    arguments = parser.parse_args()
    print(HEADER, flush=True)
    for count in arguments.searches:
        looks = 0.05 if count == 1 else 1.0
        with operator_bench.bench(run_seconds=0.5, kubelet_looks=looks, program=arguments.program) as bench:
            print(row(bench, count, arguments.evaluations, arguments.seconds), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
