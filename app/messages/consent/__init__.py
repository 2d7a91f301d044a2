"""Consent: who may be written to, and how they leave."""
