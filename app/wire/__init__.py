"""Wire: the JSON forms that all features share."""
