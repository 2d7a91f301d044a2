"""`python -m app`: see cli.py."""

import signal

if __name__ == "__main__":  # a process that reads orders imports this module too, and needs no command
    at_keys = signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends the imports below without a traceback
    from app.cli import run

    signal.signal(signal.SIGINT, at_keys)
    run()
