"""Public logs of whole runs, read as records."""
