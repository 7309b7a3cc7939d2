"""The rules of the house that no other tool checks: what lies where, what the contract layer needs, what is pinned."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
CONTRACT_LAYER = ("reasons", "errors", "files", "memory", "contract", "fingerprint", "worker")
"""From the bottom to the top."""


def committed_files() -> list[Path]:
    """All files of the repository, and those that are about to be: whatever git does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for name in sorted(set(listed.stdout.split("\0"))) if name and (path := ROOT / name).is_file()]


# --- The contract layer ---


def test_the_operators_folder_never_becomes_a_package() -> None:
    """An `__init__.py` there would shadow the standard library's `operator`."""
    assert (ROOT / "operator" / "mergesearch" / "__init__.py").is_file()
    assert not (ROOT / "operator" / "__init__.py").exists()


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            assert node.module is not None
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules_of(name: str) -> list[Path]:
    """The file of a module, or all files of a package."""
    folder = ROOT / "operator" / "mergesearch"
    return sorted((folder / name).glob("*.py")) if (folder / name).is_dir() else [folder / f"{name}.py"]


@pytest.mark.parametrize("name", CONTRACT_LAYER)
def test_a_module_of_the_contract_layer_imports_the_standard_library_pydantic_and_what_lies_below_it(name: str) -> None:
    allowed = CONTRACT_LAYER[: CONTRACT_LAYER.index(name)]
    if len(modules := modules_of(name)) > 1:
        allowed = (*allowed, name)
    for imported in (imported for module in modules for imported in imports_of(module)):
        top, _, rest = imported.partition(".")
        if top == "mergesearch":
            assert rest.split(".")[0] in allowed, imported
        else:
            assert top == "pydantic" or top in sys.stdlib_module_names, imported


def test_importing_the_contract_layer_loads_the_standard_library_and_pydantic_only() -> None:
    code = f"""
import json, sys
before = set(sys.modules)
import {", ".join(f"mergesearch.{name}" for name in CONTRACT_LAYER)}
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = json.loads(done.stdout)

    ours = {name.split(".")[1] for name in loaded if name.startswith("mergesearch.")}
    assert ours == set(CONTRACT_LAYER)
    # The standard library's record of how Python was built carries the platform in its name.
    packages = {name.split(".")[0] for name in loaded if not name.startswith("_sysconfigdata_")}
    foreign = packages - sys.stdlib_module_names - {"mergesearch"}
    pydantic_and_its_own = {"pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection"}
    assert foreign <= pydantic_and_its_own


HEAVY = ["torch", "safetensors", "transformers", "lm_eval", "vllm", "typer", "rich", "matplotlib"]


@pytest.mark.parametrize("package", ["mergesearch", "mergesearch_cli", "mergesearch_merger", "mergesearch_evaluator"])
def test_importing_a_package_alone_loads_no_heavy_framework(package: str) -> None:
    code = f"import sys, {package}; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


# --- Pinned dependencies ---

COMPILED = {path.stem: path for path in sorted((ROOT / "constraints").glob("*.txt"))}
PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;]+)(?: ; (?P<marker>[^\\]+?))? \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}(?P<more> \\)?$")


def pins_of(path: Path) -> dict[str, str]:
    """Name to version; fails on a line that is neither a pin with hashes, a hash nor a comment."""
    pins: dict[str, str] = {}
    expects_hash = False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        place = f"{path.name}:{number}: {line}"
        if expects_hash:
            match = HASH.match(line)
            assert match, place
            expects_hash = bool(match["more"])
        elif not line.startswith("#"):
            match = PIN.match(line)
            assert match, place
            name = canonicalize_name(match["name"])
            assert name not in pins, f"{place}: a second version"
            pins[name] = match["version"]
            expects_hash = True
    assert not expects_hash
    return pins


def test_there_is_a_constraint_file_for_every_environment() -> None:
    images = {"evaluator", "evaluator-cpu", "merger", "merger-cuda", "operator"}
    assert set(COMPILED) == {"bootstrap", "dev", "local", "mergekit", *images}


@pytest.mark.parametrize("name", COMPILED)
def test_every_pin_of_a_constraint_file_has_hashes(name: str) -> None:
    assert len(pins_of(COMPILED[name])) >= 5


def test_a_distribution_has_the_same_version_in_all_constraint_files() -> None:
    versions: dict[str, dict[str, list[str]]] = {}
    for name, path in COMPILED.items():
        for distribution, version in pins_of(path).items():
            versions.setdefault(distribution, {}).setdefault(version, []).append(name)

    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


@pytest.mark.parametrize("name", ["local", "operator", "merger", "evaluator-cpu", "bootstrap"])
def test_what_the_tests_see_contains_what_the_environments_carry(name: str) -> None:
    assert set(pins_of(COMPILED[name])) <= set(pins_of(COMPILED["dev"]))


PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def requirements_of(extra: str) -> list[Requirement]:
    """Those of the project and of an extra, with the extras that it names."""
    found = [Requirement(text) for text in PROJECT["project"]["dependencies"]]
    for text in PROJECT["project"]["optional-dependencies"][extra]:
        requirement = Requirement(text)
        if requirement.name == PROJECT["project"]["name"]:
            found += [inner for other in sorted(requirement.extras) for inner in requirements_of(other)]
        else:
            found.append(requirement)
    return found


ENVIRONMENTS = {
    "operator": "operator",
    "merger": "merger",
    "evaluator": "evaluator",
    "evaluator-cpu": "evaluator",
    "local": "local",
    "dev": "local",
}


@pytest.mark.parametrize(("name", "extra"), ENVIRONMENTS.items())
def test_a_constraint_file_meets_what_the_project_asks_for(name: str, extra: str) -> None:
    pins = pins_of(COMPILED[name])
    asked = requirements_of(extra)
    if name == "dev":
        asked += [Requirement(text) for text in PROJECT["dependency-groups"]["dev"]]

    unmet = [str(wish) for wish in asked if pins.get(canonicalize_name(wish.name), "") not in wish.specifier]

    assert unmet == []


# --- What no committed file holds ---

FORBIDDEN = {
    "the address of a package registry": re.compile(
        r"\b(?:pypi\.(?:org|python\.org)|pythonhosted\.org|download\.pytorch\.org|registry\.(?:npmjs\.org|yarnpkg\.com)"
        r"|crates\.io|(?:proxy|sum)\.golang\.org|repo1?\.maven|rubygems\.org|conda\.anaconda\.org)\b"
    ),
    "an option that names a package registry": re.compile(
        r"--(?:extra-)?index-url\b|--find-links\b|^index-url ", re.MULTILINE
    ),
    # From the root of the file system only: `upper/work/` and `$HOME/work/` belong to no machine. In an example,
    # `/home/you` is anybody's.
    "a path of one machine": re.compile(
        r"(?<![\w.$~}/-])/(?:work/(?:main|shared)\b|(?:root|home(?!/you\b)|Users)/[\w.-])"
    ),
    # How the project is made is none of its readers' business. Another project's issue is `owner/name#1234`.
    "a word of the workshop": re.compile(
        r"\b(?:issue|decision) (?:No\. ?)?\d+\b|\bissues? #"
        r"|\b(?:this|earlier|previous|next|another|other|parallel|my|our|your) sessions?\b|\bhelper sessions?\b",
        re.IGNORECASE,
    ),
}
ALLOWED = {"tests/unit/test_house.py"}


PLANTED = {
    "the address of a package registry": [
        "https://pypi.org/simple",
        "url = 'files.pythonhosted.org'",
        "sum.golang.org",
    ],
    "an option that names a package registry": ["uv pip install --index-url X", "--extra-index-url=X", "index-url = X"],
    "a path of one machine": ["cd /work/main", '"/root/.cache"', "see /home/anna/models", "open(/Users/anna/x)"],
    "a word of the workshop": [
        "As issue 3 says",
        "mends Issue #12",
        "see issues #3 and #4",
        "decision 17",
        "in an earlier session",
        "Other sessions write here",
    ],
}
INNOCENT = """
@pytest.fixture(scope="session"), one for the whole session; cookies of a session; sessionmaker; a session's end
$HOME/work/x, ./root/x, upper/work/dir, https://example.org/home/page, /home/you/checkpoints, /workspace/x, /homes/x
vllm-project/vllm#1234; an issue with 3 files; issues are welcome; the decision of 2024-05; 2 issues 3 times over
a mount at /work/x; pypi, crates and indexes; index-urls; ubuntu.com/work
"""


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in PLANTED.items() for text in texts])
def test_what_no_file_may_hold_is_found_where_it_is_planted(kind: str, text: str) -> None:
    assert FORBIDDEN[kind].search(text)


@pytest.mark.parametrize("pattern", FORBIDDEN.values(), ids=FORBIDDEN)
def test_what_only_looks_like_it_is_left_alone(pattern: re.Pattern[str]) -> None:
    assert pattern.findall(INNOCENT) == []


def test_every_kind_of_what_no_file_may_hold_was_planted() -> None:
    assert PLANTED.keys() == FORBIDDEN.keys()


@pytest.mark.parametrize("pattern", FORBIDDEN.values(), ids=FORBIDDEN)
def test_no_committed_file_holds(pattern: re.Pattern[str]) -> None:
    found = []
    for path in committed_files():
        name = str(path.relative_to(ROOT))
        if name in ALLOWED:
            continue
        text = path.read_bytes().decode("utf-8", errors="replace")
        found += [f"{name}: {match[0]}" for match in pattern.finditer(text)]

    assert found == []


LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)(?:#[^)]*)?\)")


def test_every_link_between_our_documents_leads_somewhere() -> None:
    documents = [path for path in committed_files() if path.suffix == ".md"]
    links = [(path, target) for path in documents for target in LINK.findall(path.read_text(encoding="utf-8"))]

    assert links, "no links found: the pattern is wrong"
    assert [
        f"{path.relative_to(ROOT)}: {target}" for path, target in links if not (path.parent / target).exists()
    ] == []


def test_every_target_of_the_makefile_that_people_call_is_explained() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = {name for names in re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE) for name in names.split()}
    explained = set(re.findall(r"^([a-z0-9-]+):.*## ", makefile, re.MULTILINE))
    contributing = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")

    assert phony - explained == {"format-check", "lint", "types", "layers", "fresh"}
    assert [name for name in sorted(explained) if f"make {name}" not in contributing] == []
