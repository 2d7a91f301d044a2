"""Deletion: every row of a deleted account or store is removed."""
