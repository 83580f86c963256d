"""What a stranger gets: the contents of the wheel and of the source distribution."""

import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_bytes
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LICENCES = (
    "LICENSE",
    "NOTICE",
    "medsr/report/vendor/LICENSE.niivue.txt",
    "medsr/weights/LICENSE.txt",
)
NOT_COPIED = (
    ".*",
    "out",
    "runs",
    "build",
    "dist",
    "docs",
    "sample_data",
    "*.egg-info",
    "__pycache__",
)

#: What each extra holds, and nothing of it the core.
EXTRAS = {
    "train": {"einops", "pytorch-lightning", "tensorboard"},
    "cluster": {"dask-jobqueue"},
    "node": {"pynetdicom"},
    "itk": {"SimpleITK"},
    "multiframe": {"highdicom"},
}


def names_of(requirements):
    return {line.split(">=")[0].split("[")[0].strip() for line in requirements}


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """(wheel, source distribution), built of a copy without a network."""
    if find_spec("setuptools") is None:
        pytest.skip("setuptools is not installed")
    folder = tmp_path_factory.mktemp("packaging")
    copy = folder / "medsr"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*NOT_COPIED))
    program = (
        "from setuptools import build_meta\n"
        "build_meta.build_sdist('../dist')\n"
        "build_meta.build_wheel('../dist')\n"
    )
    (folder / "dist").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=copy, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (wheel,) = (folder / "dist").glob("*.whl")
    (source,) = (folder / "dist").glob("*.tar.gz")
    return wheel, source


def test_the_wheel_holds_every_module_and_all_that_they_read(built):
    with zipfile.ZipFile(built[0]) as wheel:
        held = set(wheel.namelist())
    expected = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "medsr").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert expected - held == set()
    assert {name.split("/")[0] for name in held if ".dist-info" not in name} == {"medsr"}
    assert {"medsr/weights/mr-head.safetensors", "medsr/weights/ct-body.safetensors"} <= held


def test_the_wheel_holds_all_licences_and_names_them(built, project):
    with zipfile.ZipFile(built[0]) as wheel:
        info = next(n.split("/")[0] for n in wheel.namelist() if ".dist-info/" in n)
        for name in LICENCES:
            assert wheel.read(f"{info}/licenses/{name}") == (ROOT / name).read_bytes()
        facts = message_from_bytes(wheel.read(f"{info}/METADATA"))
    assert facts["License-Expression"] == "Apache-2.0 AND CC-BY-4.0 AND BSD-2-Clause"
    assert set(facts.get_all("Provides-Extra")) == set(project["optional-dependencies"])


def test_the_source_distribution_can_be_built_and_tested(built):
    with tarfile.open(built[1]) as source:
        held = {name.split("/", 1)[1] for name in source.getnames() if "/" in name}
    wanted = {*LICENCES, "pyproject.toml", "README.md", "ARCHITECTURE.md", "CITATION.cff"}
    wanted |= {"CONTRIBUTING.md", "SECURITY.md", "constraints.txt", "constraints-lowest.txt"}
    wanted |= {"configs/tiny.yaml", "configs/mr-head/01-wide.yaml", "tests/test_packaging.py"}
    assert wanted - held == set()


def test_the_licence_texts_are_whole():
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert len(text.splitlines()) == 202
    assert "END OF TERMS AND CONDITIONS" in text
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    viewer = (ROOT / LICENCES[2]).read_text(encoding="utf-8")
    assert " ".join(viewer.split()) in " ".join(notice.split())


def test_the_core_is_light(project):
    core = names_of(project["dependencies"])
    extras = project["optional-dependencies"]
    for name, packages in EXTRAS.items():
        assert names_of(extras[name]) == packages
        assert not packages & core
    assert extras["all"] == [f"medsr[{','.join(sorted(EXTRAS))}]"]


def test_every_outside_package_of_the_map_is_a_dependency(project):
    """ARCHITECTURE.md names modules; pyproject.toml the packages that hold them."""
    from tests.test_architecture import rooms

    packages = {"skimage": "scikit-image", "sklearn": "scikit-learn", "yaml": "pyyaml"}
    used = {module for _, allowed in rooms().values() for module in allowed} - {"none"}
    needed = {packages.get(module, module.replace("_", "-")) for module in used}
    extras = set().union(*EXTRAS.values())
    assert needed <= names_of(project["dependencies"]) | extras


def test_lowest_versions_are_those_promised(project):
    """Each lower bound of pyproject.toml stands in constraints-lowest.txt, torch apart."""
    lines = (ROOT / "constraints-lowest.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    extras = project["optional-dependencies"]
    for requirement in [*project["dependencies"], *(r for n in EXTRAS for r in extras[n])]:
        name, bound = requirement.split(">=")
        if name != "torch":
            bound_parts = bound.split(".")
            assert pins[name.lower()].split(".")[: len(bound_parts)] == bound_parts, name


def test_pins_of_continuous_integration_cover_the_dependencies(project):
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines if "==" in line}
    extras = project["optional-dependencies"]
    wanted = names_of([*project["dependencies"], *(r for n in extras for r in extras[n])])
    assert {name.lower() for name in wanted} - {"medsr"} <= pinned
