"""Work on a Ray cluster: rows go through Ray Data pipelines that are fed while they run, and survive their nodes."""
