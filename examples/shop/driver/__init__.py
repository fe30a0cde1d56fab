"""What `make demo` does: build and start the shop, send it traffic, and follow every exemplar to its request."""
