"""Every figure that a report can show, drawn from simulated studies and published numbers."""
