"""Data, not code: migrations, named queries, catalogues; read through `importlib.resources`."""
