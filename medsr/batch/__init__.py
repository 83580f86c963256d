"""Enhancement of whole study folders, resumable after any interruption.

import medsr.batch
plan = medsr.batch.make_plan("study", "study_enhanced")
results = medsr.batch.run(plan, client)       # a Dask client, or None for this process
"""

from typing import Any

__all__ = ["make_plan", "run"]


def __getattr__(name: str) -> Any:
    """`make_plan` and `run` on demand: header readers start without torch and Dask."""
    if name == "make_plan":
        from medsr.batch.plan import make_plan

        return make_plan
    if name == "run":
        from medsr.batch.engine import run

        return run
    raise AttributeError(f"module 'medsr.batch' has no attribute '{name}'")
