"""Commands: what `python -m app` does, a module a subject; cli.py names them."""
