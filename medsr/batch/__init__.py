"""How do many scans pass, and what if the power fails?

import medsr.batch
plan = medsr.batch.plan("study", "study_enhanced")
results = medsr.batch.run(plan, client)       # a Dask client, or None for this process
"""

from typing import Any

__all__ = ["plan", "run"]


def __getattr__(name: str) -> Any:
    """`plan` and `run` on demand: header readers start without torch and Dask."""
    if name == "plan":
        from medsr.batch.plan import plan

        return plan
    if name == "run":
        from medsr.batch.engine import run

        return run
    raise AttributeError(f"module 'medsr.batch' has no attribute '{name}'")
