"""Leaderboard: who bought most, most often, most at a time."""
