"""Sending: from the queue to the mail server, and what came back."""
