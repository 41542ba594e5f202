"""Queries of teams, members, roles and invitations."""
