"""The parts of the prediction benchmark."""
