"""Accounts: who is calling, what may they do, what have they paid for."""
