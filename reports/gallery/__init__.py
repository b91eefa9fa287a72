"""Every figure that a report can show, drawn from a simulated study."""
