"""Public-domain English text that ships with codesign, and the command that made the files."""
