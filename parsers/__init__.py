"""Parsers: one flat module per format, found by `llmstats.formats`; nobody imports one by name."""
