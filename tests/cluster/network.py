"""The node's network: one bridge for all pods, forwarding, and the packet filter's rules, which go with the cluster."""

import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from cluster.settings import ClusterError

PLUGINS = Path("/usr/lib/cni")
"""Where Debian puts the network plugins."""
BRIDGE = "msearch0"
NETWORK = "mergesearch-test"
PODS = "10.88.0.0/16"
NODE_ADDRESS = "10.88.0.1"
"""The bridge's address, which is the node's: it is there whatever other networks the machine has."""

_SYSCTLS = {"net.ipv4.ip_forward": "1", "net.bridge.bridge-nf-call-iptables": "1"}
"""The second lets pods reach one another through services: packets that stay on a bridge pass the filter too."""
_OUR_CHAINS = re.compile(r"KUBE-|CNI-")


def up(folder: Path) -> None:
    """Makes the bridge and writes the plugins' configuration; what is there already is fine.

    Raises:
        ClusterError: The bridge belongs to a cluster in another folder.
    """
    owner = bridge_owner()
    if owner not in (None, str(folder)) and Path(owner or "").exists():
        raise ClusterError(f"the cluster in {owner} uses this machine's network; stop it first: down --folder {owner}")
    if owner is None:
        _run("ip", "link", "add", BRIDGE, "type", "bridge")
        _run("ip", "address", "add", f"{NODE_ADDRESS}/16", "dev", BRIDGE)
    _run("ip", "link", "set", BRIDGE, "alias", str(folder))
    _run("ip", "link", "set", BRIDGE, "up")
    _change_sysctls(folder / "sysctls.json")
    _write_plugin_configuration(folder)


def down(folder: Path) -> None:
    """Removes the bridge, every rule of the cluster, and puts the settings back."""
    if bridge_owner() is not None:
        _run("ip", "link", "delete", BRIDGE)
    for command in ("iptables", "ip6tables"):
        for table in ("nat", "filter", "mangle"):
            _remove_chains(command, table)
    saved = folder / "sysctls.json"
    if saved.exists():
        for name, value in json.loads(saved.read_text()).items():
            _sysctl(name).write_text(value)


def bridge_owner() -> str | None:
    """The folder of the cluster that made the bridge; empty if it does not say, None if there is no bridge."""
    alias = Path("/sys/class/net", BRIDGE, "ifalias")
    return alias.read_text().strip() if alias.exists() else None


def plugin_configuration(folder: Path) -> Path:
    """The folder that the container runtime reads."""
    return folder / "cni"


def _write_plugin_configuration(folder: Path) -> None:
    bridge = {
        "type": "bridge",
        "bridge": BRIDGE,
        "isGateway": True,
        "ipMasq": True,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": PODS, "rangeStart": "10.88.0.2"}]],
            "routes": [{"dst": "0.0.0.0/0"}],
            "dataDir": str(folder / "addresses"),
        },
    }
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    document = {"cniVersion": "0.4.0", "name": NETWORK, "plugins": [bridge, portmap]}
    path = plugin_configuration(folder) / "10-mergesearch.conflist"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


def _change_sysctls(saved: Path) -> None:
    """The values before the first change are kept, so that `down` finds the machine's own."""
    before = {name: _sysctl(name).read_text() for name in _SYSCTLS if _sysctl(name).exists()}
    if not saved.exists():
        saved.write_text(json.dumps(before))
    for name in before:
        _sysctl(name).write_text(_SYSCTLS[name])


def _sysctl(name: str) -> Path:
    return Path("/proc/sys", *name.split("."))


def _remove_chains(command: str, table: str) -> None:
    """Removes the chains that kube-proxy, the kubelet and the plugins made, and what leads there."""
    listed = subprocess.run([command, "-t", table, "-S"], capture_output=True, text=True, check=False)
    rules = listed.stdout.splitlines()
    chains = [rule.split()[1] for rule in rules if rule.startswith("-N ") and _OUR_CHAINS.match(rule.split()[1])]
    if not chains:
        return
    lines = [*_jumps_into(chains, rules), *(f"-F {chain}" for chain in chains), *(f"-X {chain}" for chain in chains)]
    script = "\n".join([f"*{table}", *lines, "COMMIT", ""])
    subprocess.run([f"{command}-restore", "--noflush"], input=script, capture_output=True, text=True, check=False)


def _jumps_into(chains: Sequence[str], rules: Sequence[str]) -> Iterator[str]:
    for rule in rules:
        words = rule.split()
        if words[0] == "-A" and words[1] not in chains and {"-j", "-g"} & set(words) and set(chains) & set(words):
            yield f"-D{rule[2:]}"


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"{' '.join(command)} exited {done.returncode}: {done.stderr.strip()}")
