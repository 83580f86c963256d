"""One door: `python -m benchmarks DRAWER.NAME [arguments]`; without a name, the list.

The name of a drawer alone stands for its `figures`, where it has such.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

DRAWERS = ("quality", "speed", "dicom", "training")


def names() -> list[str]:
    """Every benchmark as DRAWER.NAME."""
    here = Path(__file__).parent
    return sorted(
        f"{drawer}.{path.stem}"
        for drawer in DRAWERS
        for path in (here / drawer).glob("*.py")
        if "def main(" in path.read_text(encoding="utf-8")
    )


def main() -> None:
    """Run the named benchmark with the rest of the command line."""
    known = names()
    if len(sys.argv) > 1 and f"{sys.argv[1]}.figures" in known:
        sys.argv[1] += ".figures"
    if len(sys.argv) < 2 or sys.argv[1] not in known:
        wanted = sys.argv[1] if len(sys.argv) > 1 else "--help"
        print("python -m benchmarks NAME [arguments]; each NAME explains itself with --help:")
        print("\n".join(f"  {name}" for name in known))
        sys.exit(0 if wanted in ("-h", "--help") else 2)
    name = sys.argv.pop(1)
    sys.argv[0] = f"python -m benchmarks {name}"
    runpy.run_module(f"benchmarks.{name}", run_name="__main__")


if __name__ == "__main__":
    main()
