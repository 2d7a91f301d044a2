"""`python -m app`: the commands."""

from app.cli import run

if __name__ == "__main__":
    run()
