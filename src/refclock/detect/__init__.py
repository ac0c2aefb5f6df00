"""Finding receivers: what udev knows of them, what a line says by itself, and what it answers when asked."""
