"""Run the console script as `python -m latentgeo`."""

from latentgeo.cli import main

main()
