"""Values that every process keeps in memory."""
