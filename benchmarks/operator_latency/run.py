"""How long after the end of a pod does the next Job exist? Over one whole search, from the API server's audit log.

    python benchmarks/operator_latency/run.py [--evaluations 24] [--parallelism 1]

The pods are scripted and run one second; API server, Job controller and operator are real. For every Job that was
created, the delay since the last pod of the search ended before it; the goal is a median below 1 s.
"""

import argparse
import statistics
import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import operator_bench


def delays(audit: Iterable[dict[str, Any]]) -> list[float]:
    """Seconds from the end of a pod to the creation of the next Job."""
    ends: list[datetime] = []
    creations: list[datetime] = []
    writes: dict[str, int] = {}
    for event in audit:
        reference = event.get("objectRef", {})
        if event.get("stage") != "ResponseComplete" or event["responseStatus"]["code"] >= 300:
            continue
        if (event["verb"], reference.get("resource")) == ("create", "jobs"):
            creations.append(datetime.fromisoformat(event["requestReceivedTimestamp"]))
        if (event["verb"], reference.get("resource"), reference.get("subresource")) == ("update", "pods", "status"):
            writes[reference["name"]] = writes.get(reference["name"], 0) + 1
            # The first write of a status says that the pod runs, the second that it has ended.
            if writes[reference["name"]] == 2:
                ends.append(datetime.fromisoformat(event["stageTimestamp"]))
    found = []
    for creation in creations:
        before = [end for end in ends if end <= creation]
        if before:
            found.append((creation - max(before)).total_seconds())
    return found


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--evaluations", type=int, default=24)
    parser.add_argument("--parallelism", type=int, default=1)
    parser.add_argument("--goal", type=float, default=1.0, help="seconds")
    arguments = parser.parse_args()
    search = {
        "maxEvaluations": arguments.evaluations,
        "parallelism": arguments.parallelism,
        "algorithm": {"cmaes": {"populationSize": 6}},
    }
    with operator_bench.bench(run_seconds=1.0) as bench:
        bench.create("latency", search=search)
        bench.wait("Complete", 600)
        found = delays(bench.cluster.audit())
    median = statistics.median(found)
    print(f"Jobs that followed the end of a pod: {len(found)}")
    print(f"delay from the pod's end to the Job's creation: median {median:.3f} s, maximum {max(found):.3f} s")
    print(f"goal: median below {arguments.goal:g} s: {'met' if median < arguments.goal else 'missed'}")
    return 0 if median < arguments.goal else 1


if __name__ == "__main__":
    sys.exit(main())
