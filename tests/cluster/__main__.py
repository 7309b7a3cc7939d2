"""`python -m cluster`: starts, stops and shows the test cluster from a shell."""

import argparse
import os
import shutil
import sys
from pathlib import Path
from types import ModuleType

from cluster import build, buildah, full, images, light, requirements, settings
from cluster.runtime import Runtime
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

    needed = commands.add_parser("packages", help="print the Debian packages that a node needs and this machine lacks")
    needed.set_defaults(run=lambda _: print(*requirements.missing()))

    made = commands.add_parser("images", help="build images and bring them to the cluster; prints their names")
    made.add_argument("recipe", nargs="+", metavar="NAME=DOCKERFILE", help="what to build, on our base image")
    made.add_argument("--build-arg", action="append", default=[], metavar="[NAME:]KEY=VALUE", help="for one or all")
    made.add_argument("--context", type=Path, default=settings.ROOT, help="what the Dockerfiles copy from")
    made.add_argument("--folder", type=Path, help="where the cluster lives, instead of the usual place")
    made.set_defaults(run=_images)

    cleaned = commands.add_parser("clean", help="remove all images; what was built from Go modules stays")
    cleaned.set_defaults(run=_clean)

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


def _mode(arguments: argparse.Namespace) -> ModuleType:
    return light if arguments.light else full


def _up(arguments: argparse.Namespace) -> None:
    cluster = _mode(arguments).up(_folder(arguments))
    print(f"export KUBECONFIG={cluster.kubeconfig}")
    print(f'export PATH={cluster.plane.programs}{os.pathsep}"$PATH"')


def _down(arguments: argparse.Namespace) -> None:
    _mode(arguments).down(_folder(arguments))


def _status(arguments: argparse.Namespace) -> None:
    cluster = _mode(arguments).running(_folder(arguments))
    if cluster is None:
        raise ClusterError(f"nothing answers in {_folder(arguments)}")
    print(f"{cluster.server} answers; KUBECONFIG={cluster.kubeconfig}")


def _clean(_: argparse.Namespace) -> None:
    runtime = Runtime(settings.run_folder(light=False))
    if runtime.program.running() is not None:
        raise ClusterError("the cluster runs; stop it by `down` first")
    buildah.remove()
    shutil.rmtree(runtime.root, ignore_errors=True)


def _images(arguments: argparse.Namespace) -> None:
    recipes = dict(text.split("=", 1) for text in arguments.recipe)
    for name, dockerfile in recipes.items():
        words = [text.removeprefix(f"{name}:") for text in arguments.build_arg]
        own = dict(word.split("=", 1) for word in words if ":" not in word.split("=", 1)[0])
        recipe = images.recipe(name, Path(dockerfile), context=arguments.context, arguments=own)
        print(images.deliver([images.build(recipe)], arguments.folder)[0])


if __name__ == "__main__":
    sys.exit(main())
