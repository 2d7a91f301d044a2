"""Customers: who bought, how they stand, what they agreed to, and how they are forgotten."""
