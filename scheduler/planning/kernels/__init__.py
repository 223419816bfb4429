"""Compiled code on flat arrays: the only hot loops."""
