"""Suppressions: addresses that must not be written to, whichever customer has them."""
