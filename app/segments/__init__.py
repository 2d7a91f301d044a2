"""Segments: customers that match a rule; here the VIPs."""
