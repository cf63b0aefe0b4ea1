"""The verbs of the command line: SUMMARY, EXAMPLE, add_arguments(parser) and run(options) -> Answer in each.

Only the standard library is imported at module level, so that `--help` is instant. The verbs stand above all
rooms: they may import any of them (inside `run`), and nobody but `codesign.cli` imports them.
"""
