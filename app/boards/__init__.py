"""Boards: what is counted, and how a question about it is answered."""
