"""Writing: what a message says, in the language of its recipient."""
