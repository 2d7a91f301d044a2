"""Mail: one e-mail over the wire."""
