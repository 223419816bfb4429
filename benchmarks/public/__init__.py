"""Public task logs as records, read from a folder that is no part of the project."""
