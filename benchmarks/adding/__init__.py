"""The parts of the benchmark of what the agent adds."""
