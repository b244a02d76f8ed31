"""Pictures: one module each, found by its presence, with a `llmstats.picture.Picture` called ``PICTURE``.

Each is two steps that know nothing of each other: ``fetch`` asks the store, ``draw`` draws what it got.
"""
