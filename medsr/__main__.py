"""`python -m medsr`."""

from medsr.cli import main

main()
