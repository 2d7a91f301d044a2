"""Sending: from the queue to the mail server, and what is stored of its answers."""
