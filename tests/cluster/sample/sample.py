"""What the sample image runs: one word says what to do, the exit code says whether it could be done."""

import os
import ssl
import sys
import time
import urllib.request
from pathlib import Path


def main() -> None:
    """Does what the first argument says."""
    what, *rest = sys.argv[1:] or ["hello"]
    if what == "hello":
        print("hello from", os.getuid())
    elif what == "write":
        Path(rest[0]).write_text(rest[1])
    elif what == "sleep":
        time.sleep(float(rest[0]))
    elif what == "api":
        print(api_version())
    else:
        sys.exit(f"{what}: hello, write, sleep or api")


def api_version() -> str:
    """What the API server says of itself, asked as the pod's service account at the service's address."""
    account = Path("/var/run/secrets/kubernetes.io/serviceaccount")
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    request = urllib.request.Request(
        f"https://{host}:{port}/version", headers={"Authorization": f"Bearer {(account / 'token').read_text()}"}
    )
    context = ssl.create_default_context(cafile=str(account / "ca.crt"))
    with urllib.request.urlopen(request, context=context, timeout=20) as answer:
        return str(answer.read().decode())


if __name__ == "__main__":
    main()
