"""Mailers: one file per way to hand over a mail."""
