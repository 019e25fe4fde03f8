"""The shape of the code base: what must not appear, and the contracts that hold it together."""

import ast
import platform
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [
    p for top in ("platform", "curation", "labeling", "training") for p in sorted((ROOT / top).rglob("*.py"))
]


def test_the_platform_folder_does_not_hide_the_standard_library():
    assert not (ROOT / "platform" / "__init__.py").exists()
    assert platform.python_version().startswith("3.")
    assert Path(platform.__file__).name == "platform.py"


def test_every_init_file_is_empty():
    filled = [str(p) for p in SOURCES if p.name == "__init__.py" and p.read_text().strip()]
    assert filled == []


def test_every_module_says_why_it_exists():
    silent = [
        str(p.relative_to(ROOT))
        for p in SOURCES
        if p.name != "__init__.py"
        and "migrations" not in p.parts
        and not ast.get_docstring(ast.parse(p.read_text()))
    ]
    assert silent == []


def test_the_import_contracts_hold():
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("platform/tilth/text/reference.py", "import django.conf"),
        ("platform/tilth/jobs/models.py", "import tilth.datasets.models"),
        ("curation/pipeline/document.py", "from django.db import models"),
        ("platform/tilth/accounts/audit.py", "import curation.models"),
    ],
)
def test_a_broken_contract_is_noticed(tmp_path: Path, module: str, line: str):
    """Copy the code, break one law on purpose, and see the contracts object."""
    for top in ("platform", "curation", "labeling", "training", "pyproject.toml"):
        source, target = ROOT / top, tmp_path / top
        if source.is_file():
            target.write_text(source.read_text())
            continue
        for file in source.rglob("*.py"):
            copy = target / file.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(file.read_text())
    broken = tmp_path / module
    broken.write_text(f"{broken.read_text()}\n\n{line}\n")
    program = "import sys; sys.path[:0] = ['.', 'platform']; from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import site; site.addsitedir({_site()!r}); {program}", "--no-cache"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{tmp_path}:{tmp_path / 'platform'}"},
    )
    assert done.returncode != 0, done.stdout
    assert "BROKEN" in done.stdout, done.stdout + done.stderr


def _site() -> str:
    return str(Path(yaml.__file__).resolve().parents[1])


def test_the_compose_file_has_every_service_with_a_health_check():
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    services = compose["services"]
    assert {"web", "worker", "beat", "database", "broker"} <= set(services)
    for name in ("web", "worker", "database", "broker"):
        assert services[name]["healthcheck"]["test"], name
    assert set(compose["volumes"]) == {"storage", "database", "broker"}
    assert (ROOT / services["web"]["build"]["dockerfile"]).exists()


def test_the_docker_file_copies_what_exists():
    lines = (ROOT / "platform" / "Dockerfile").read_text().splitlines()
    copied = [
        word
        for line in lines
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    ]
    assert copied
    for word in copied:
        assert (ROOT / word).exists(), word


def test_whatever_the_product_imports_is_a_core_dependency():
    """An import that only the tests' packages satisfy would break a fresh `make up`.

    The programs that train, and the verifiers, run where the training extra is installed; the scripted
    people of the demonstration where its own is.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    core, ray, training, demo = (
        {normal(re.match(r"[A-Za-z0-9._-]+", line)[0]) for line in lines}
        for lines in (project["dependencies"], extras["ray"], extras["training"], extras["demo"])
    )
    providers = packages_distributions()
    missing = set()
    for path in SOURCES:
        trains = {"llm", "verify"} & set(path.relative_to(ROOT).parts)
        allowed = core | ray | (training if trains else set())
        if path.name == "demo_people.py":
            allowed |= demo
        for module in imported(ast.parse(path.read_text())):
            given = {normal(name) for name in providers.get(module, [])}
            if given and not given & allowed and module not in OWN:
                missing.add(f"{module} ({path.relative_to(ROOT)})")
    assert sorted(missing) == []


OWN = {"tilth", "curation", "labeling", "training"}


def normal(name: str) -> str:
    """A distribution's name in its normal form."""
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(tree: ast.AST) -> set[str]:
    """The top-level names of all modules that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found
