"""Orders: the normal form, the upsert, and the standings that follow from them."""
