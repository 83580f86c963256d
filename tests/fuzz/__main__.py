"""`python -m tests.fuzz nifti --count 100000 --seed 0 --workers 2`."""

import argparse
import sys
from pathlib import Path

from tests.fuzz.case import KINDS
from tests.fuzz.harness import run


def main() -> int:
    """Run, print the figures, and say by the exit code whether anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("kind", choices=[*KINDS, "all"])
    parser.add_argument("--count", type=int, default=1000, help="cases of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="the first case's number")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("out/fuzz"), help="where findings go")
    asked = parser.parse_args()
    found = 0
    for kind in KINDS if asked.kind == "all" else [asked.kind]:
        figures = run(kind, asked.count, asked.seed, asked.workers, asked.out, asked.first)
        print(figures.line(), flush=True)
        for what, times in figures.findings.items():
            print(f"  {times:6d}  {what}")
        found += sum(figures.findings.values())
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
