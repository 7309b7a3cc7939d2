"""`python -m cluster`: starts, stops and shows the test cluster from a shell."""

import argparse
import os
import sys
from pathlib import Path

from cluster import build, light, settings
from cluster.settings import ClusterError


def main() -> int:
    """Runs one command; the exit code is 1 where it could not be done."""
    arguments = _parser().parse_args()
    try:
        arguments.run(arguments)
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cluster", description="A real Kubernetes for the tests.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    built = commands.add_parser("build", help="build the programs that are not in the cache yet")
    built.add_argument("--light", action="store_true", help="only what the light cluster needs")
    built.set_defaults(run=lambda arguments: print(build.ensure(build.LIGHT if arguments.light else build.FULL)))

    for name, run, text in (
        ("up", _up, "start the cluster; prints the lines for the shell that use it"),
        ("down", _down, "stop the cluster and remove its folder"),
        ("status", _status, "say what runs"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--light", action="store_true", help="control plane only: no node, no pods")
        command.add_argument("--folder", type=Path, help="where the cluster lives, instead of the usual place")
        command.set_defaults(run=run)
    return parser


def _folder(arguments: argparse.Namespace) -> Path:
    return arguments.folder or settings.run_folder(light=arguments.light)


def _up(arguments: argparse.Namespace) -> None:
    cluster = light.up(_folder(arguments))
    print(f"export KUBECONFIG={cluster.kubeconfig}")
    print(f'export PATH={cluster.plane.programs}{os.pathsep}"$PATH"')


def _down(arguments: argparse.Namespace) -> None:
    light.down(_folder(arguments))


def _status(arguments: argparse.Namespace) -> None:
    cluster = light.running(_folder(arguments))
    if cluster is None:
        raise ClusterError(f"nothing answers in {_folder(arguments)}")
    print(f"{cluster.server} answers; KUBECONFIG={cluster.kubeconfig}")


if __name__ == "__main__":
    sys.exit(main())
