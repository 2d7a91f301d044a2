"""Messages: e-mails to customers, never lost, only where they are allowed."""
