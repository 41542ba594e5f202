"""`undercroft mcp`: facts about a project for coding agents, by the Model Context Protocol.

Facts of the code come from the commands of Undercroft, each in a process of its own. So they are always those of the
current files, and an error in the code is the result of a tool instead of the end of the server.
"""

from undercroft.app.mcp.server import create_server

__all__ = ["create_server"]
