"""The suite tested by itself: servers with one fault each, and odd servers with none."""
