"""The development stack: embedded PostgreSQL and Valkey, the supervisor of `undercroft dev`, and emulators."""
