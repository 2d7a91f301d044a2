"""Ledger: what came in is read back."""
