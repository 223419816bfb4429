"""The parts of the benchmark `assignment`."""
