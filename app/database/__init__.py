"""Database: the only ways to PostgreSQL."""
