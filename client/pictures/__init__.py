"""Pictures of results, drawn on the caller's own photo: panels, figures of matplotlib, and a view for notebooks."""
