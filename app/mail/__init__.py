"""Mail: one e-mail over the wire, whoever it is for."""
