"""A command that lacks its optional package says what to install."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from medsr.errors import UsageError
from medsr.extras import need


@pytest.fixture
def lacks(monkeypatch):
    """Pretends that packages are not installed."""
    real = importlib.util.find_spec

    def without(*modules):
        monkeypatch.setattr(
            importlib.util,
            "find_spec",
            lambda name, *a: None if name in modules else real(name, *a),
        )

    return without


def test_an_installed_package_is_enough():
    need("numpy", "train", "medsr train")


def test_a_missing_package_names_its_extra():
    sentence = r"medsr train needs not-there: pip install 'medsr\[train\]'\."
    with pytest.raises(UsageError, match=sentence):
        need("not_there", "train", "medsr train")


def test_train_and_weights_say_what_they_lack(lacks):
    from medsr.commands import train, weights

    lacks("pytorch_lightning")
    with pytest.raises(UsageError, match=r"medsr train needs pytorch-lightning: .*medsr\[train\]"):
        train.run(Path("any.yaml"), (), resume=False)
    with pytest.raises(UsageError, match=r"medsr weights needs pytorch-lightning"):
        weights.run(Path("any"), (), print)


def test_listen_says_what_it_lacks(lacks):
    from medsr.commands.listen import ListenRequest, run

    lacks("pynetdicom")
    request = ListenRequest(
        ae_title="A", port=1, forward="B@host:104", rules=None, allow=(), spool=Path("spool")
    )
    with pytest.raises(UsageError, match=r"medsr listen needs pynetdicom: .*medsr\[node\]"):
        run(request)


def test_a_batch_system_says_what_it_lacks(lacks):
    from medsr.batch.cluster import QueueConfig, queued

    lacks("dask_jobqueue")
    with (
        pytest.raises(
            UsageError, match=r"--cluster slurm needs dask-jobqueue: .*medsr\[cluster\]"
        ),
        queued("slurm", 1, QueueConfig()),
    ):
        pass


def test_the_commands_of_the_core_import_no_extra():
    """enhance, evaluate, report and a local batch work without the optional packages."""
    program = (
        "import sys\n"
        "for name in ('pytorch_lightning', 'tensorboard', 'dask_jobqueue', 'pynetdicom',\n"
        "             'highdicom', 'einops', 'SimpleITK'):\n"
        "    sys.modules[name] = None\n"
        "import medsr.cli.main\n"
        "from medsr.commands import batch, calibrate, degrade, enhance, evaluate, info, models\n"
        "import medsr.batch.cluster, medsr.report.enhanced_page, medsr.transforms\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
