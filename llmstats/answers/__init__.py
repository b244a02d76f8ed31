"""Questions that SQL cannot say well: one module each, a small function over the rows of other queries.

A module is found by its presence.  Its docstring is its documentation, in the form of the SQL files: title, text,
``parameter:`` lines (see `llmstats.questions`).  Its function ``answer(con, **parameters)`` gets a read-only connection
and all parameters, typed, and returns a `llmstats.query.Answer`.  A leading underscore marks what several share.
"""
