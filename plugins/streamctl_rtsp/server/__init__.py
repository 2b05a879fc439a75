"""The side that takes publishers and viewers: a port, its sessions, and what each of them does."""
