"""The examples for clusters are taken as they are."""

from collections.abc import Callable

from cluster import settings
from cluster.handle import Cluster
from mergesearch.api import manifest

EXAMPLES = settings.ROOT / "examples" / "cluster"


def test_an_api_server_takes_the_search_and_its_claims(
    serving_cluster: Cluster, namespaces: Callable[[str], str]
) -> None:
    files = sorted(EXAMPLES.glob("*.yaml"))
    flags = [word for path in files for word in ("-f", str(path))]
    said = serving_cluster.kubectl(
        *("apply", "--dry-run=server", "--validate=strict", "--namespace", namespaces("example")), *flags
    )
    assert said.splitlines() == [
        "mergesearch.mergesearch.io/chat created (server dry run)",
        "persistentvolumeclaim/checkpoints created (server dry run)",
        "persistentvolumeclaim/merges created (server dry run)",
    ]


def test_the_search_has_no_problem_and_finds_its_claims() -> None:
    text = (EXAMPLES / "mergesearch.yaml").read_text()
    assert list(manifest.problems(text)) == []
    for claim in ("checkpoints", "merges"):
        assert f"claimName: {claim}" in text
        assert f"name: {claim}\n" in (EXAMPLES / "storage.yaml").read_text()
