"""``python -m llmstats`` is the command line."""

from llmstats.cli import main

main(prog_name="llmstats")
