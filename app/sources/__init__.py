"""Sources: an account's audiences and the stores that belong to them."""
