"""Loyalty Leaderboard: ranks a store's customers by what they bought."""
