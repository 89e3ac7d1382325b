"""Let `python -m latentgeo` do what the console script does."""

from latentgeo.cli import main

main()
