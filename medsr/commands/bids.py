"""`medsr-bids`: what the BIDS App does besides a batch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from medsr.batch.job import End, Outcome
from medsr.batch.naming import is_bids
from medsr.batch.plan import Plan
from medsr.batch.summary import Results, results_of, write_summary
from medsr.errors import InputError

__all__ = ["check_dataset", "summarise"]


def check_dataset(folder: Path) -> None:
    """Check that a folder is a BIDS dataset.

    Raises:
        InputError: it is not, or does not exist.
    """
    if folder.is_dir() and not is_bids(folder):
        raise InputError(
            f"{folder.name or folder}: is not a BIDS dataset, which has dataset_description.json "
            "and folders sub-*. For other folders use medsr batch."
        )


def summarise(made: Plan) -> tuple[Plan, Results]:
    """The group level: write one summary of the results of all participants; enhance nothing.

    Args:
        made: the plan of the dataset, with the options of the participant level.

    Returns:
        The plan of the summary and the results: done earlier, or not reached.

    Raises:
        OutputError: the output folder cannot be written.
    """
    whole = replace(made, participants=())
    outcomes = {i.key: Outcome(i.key, End.NOT_REACHED, _why(i.reason)) for i in whole.todo}
    results = results_of(whole, outcomes)
    write_summary(results, whole)
    return whole, results


def _why(reason: str) -> str:
    """Why a scan has no result that counts."""
    if not reason:
        return "has no result yet. Run the participant level."
    words = reason.removeprefix("done again: ")
    return (
        f"its result is out of date: {words}. Give the group level the options of the "
        "participant level, or run the participant level again."
    )
