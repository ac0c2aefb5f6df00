"""Receivers that speak only when asked: when to ask what, and what came of it."""
