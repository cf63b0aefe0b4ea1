"""What can go wrong for a user, as one small tree.

CodesignError                   one clear line, exit status 1, never a traceback
├── InputError                  a file or an option says something it may not (place, rule, value, way out)
├── StudyError                  codesign.errors: a study that is missing, foreign, locked or already there
├── TrainingError               codesign.errors: a proxy training that could not be run
└── ExportError                 codesign.errors: a design that could not be written or read back

Everything else that is raised is a defect of the program and may show its traceback.
"""


class CodesignError(Exception):
    """Something the user can mend; its message is one line: what, where, what to do."""


class InputError(CodesignError, ValueError):
    """A file, field or option breaks a rule. The message reads `place: field must ..., got ...`."""
