"""The command line as tests call it."""

import pytest

from medsr.cli.main import main


def call(*words):
    """The exit code of one command."""
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    return stop.value.code
