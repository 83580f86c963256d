"""Entry point of `python -m medsr`."""

from medsr.cli.main import main

main()
