"""Many repositories: what they are at, and one update in all of them."""
