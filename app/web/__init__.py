"""Web: calls to addresses that tenants have given, as harmless as such calls can be."""
