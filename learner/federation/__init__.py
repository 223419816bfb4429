"""Clusters that learn one network together and keep their logs to themselves."""
