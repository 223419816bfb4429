"""Past runs replayed as if the policy had been in charge."""
