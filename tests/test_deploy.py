"""deploy/: descriptor, Dockerfile, Apptainer definition and Neurodesk recipe say the same."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml

from medsr import errors
from medsr.cli.bids import bids
from medsr.version import __version__

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
DESCRIPTOR = DEPLOY / "boutiques" / "medsr-bids.json"
INVOCATION = DEPLOY / "boutiques" / "invocation.json"

#: Options for a person at a terminal, not for a portal.
NOT_DESCRIBED = {"--help", "--version", "--dry-run", "--json", "--no-progress"}


@pytest.fixture(scope="module")
def descriptor():
    return json.loads(DESCRIPTOR.read_text(encoding="utf-8"))


def long_flag(option):
    return next(name for name in option.opts if name.startswith("--"))


def test_the_descriptor_has_the_options_of_the_command(descriptor):
    described = {one["command-line-flag"]: one for one in descriptor["inputs"][3:]}
    options = [p for p in bids.get_params(click.Context(bids)) if isinstance(p, click.Option)]
    by_flag = {long_flag(option): option for option in options}
    assert set(described) == set(by_flag) - NOT_DESCRIBED
    for flag, one in described.items():
        option = by_flag[flag]
        choices = list(option.type.choices) if isinstance(option.type, click.Choice) else None
        assert one.get("value-choices") == choices, flag
        assert (one["type"] == "Flag") == option.is_flag, flag
        assert one.get("list", False) == option.multiple, flag
        assert one["description"] == option.help.split("  [")[0], flag


def test_the_descriptor_has_the_exit_codes(descriptor):
    kinds = (errors.MedsrError, *errors.MedsrError.__subclasses__())
    described = {one["code"] for one in descriptor["error-codes"]}
    assert described == {kind.exit_code for kind in kinds}


def bosh(*words, home):
    """What the tool of Boutiques prints; its cache goes to `home`."""
    tool = Path(sys.executable).with_name("bosh")
    found = str(tool) if tool.exists() else shutil.which("bosh")
    if found is None:
        pytest.skip("boutiques is not installed here")
    done = subprocess.run(
        [found, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        cwd=home,
        env={**os.environ, "HOME": str(home)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_boutiques_accepts_descriptor_and_invocation(tmp_path):
    assert "OK" in bosh("validate", DESCRIPTOR, home=tmp_path)
    assert "OK" in bosh("invocation", DESCRIPTOR, "-i", INVOCATION, home=tmp_path)
    said = bosh("exec", "simulate", DESCRIPTOR, "-i", INVOCATION, home=tmp_path)
    program, *words = shlex.split(said.strip().splitlines()[-1])
    assert program == "medsr-bids"
    given = bids.make_context(program, words).params
    assert given["level"] == "participant"
    assert given["participant_label"] == ("01", "02")
    assert given["cpus"] == 2


def dockerfile():
    """(instruction, rest) of each line of the Dockerfile."""
    lines = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines()
    return [tuple(line.split(maxsplit=1)) for line in lines if line and not line.startswith("#")]


def sections():
    """The head ("") and the sections of the Apptainer definition, as lists of lines."""
    text = (DEPLOY / "medsr.def").read_text(encoding="utf-8")
    head, *rest = re.split(r"^%(\w+)\n", text, flags=re.MULTILINE)
    found = {"": head, **dict(zip(rest[::2], rest[1::2], strict=True))}
    return {
        name: [line.strip() for line in body.splitlines() if line] for name, body in found.items()
    }


def test_apptainer_does_what_docker_does():
    docker, apptainer = dict(dockerfile()), sections()
    assert f"From: {docker['FROM']}" in apptainer[""]
    assert apptainer["arguments"] == [docker["ARG"]]
    copied = [line.split()[0] for line in apptainer["files"]]
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert copied == [line[1:] for line in ignored if line.startswith("!")]
    assert all((ROOT / name).exists() for name in copied)
    step = docker["RUN"].removeprefix("--mount=type=bind,target=/src ")
    assert apptainer["post"][0] == step.replace("$TORCH_INDEX", "{{ TORCH_INDEX }}")
    (environment,) = [rest for word, rest in dockerfile() if word == "ENV" and "PATH=" in rest]
    assert apptainer["environment"] == [f"export {environment}"]
    assert apptainer["runscript"] == [f'exec {json.loads(docker["ENTRYPOINT"])[0]} "$@"']


def test_the_image_runs_as_an_ordinary_user():
    assert dict(dockerfile())["USER"] == "medsr"
    assert "useradd" in (DEPLOY / "install.sh").read_text(encoding="utf-8")


def test_every_version_is_that_of_medsr(descriptor):
    assert descriptor["tool-version"] == __version__
    assert descriptor["container-image"]["image"] == f"medsr:{__version__}"
    for name in ("build", "fulltest"):
        page = yaml.safe_load((DEPLOY / "neurodesk" / f"{name}.yaml").read_text(encoding="utf-8"))
        assert page["version"] == __version__
        assert page["name"] == "medsr"


@pytest.mark.parametrize("name", ["install.sh", "prove.sh"])
def test_shell_scripts_can_be_parsed(name):
    subprocess.run(["sh", "-n", str(DEPLOY / name)], check=True)
