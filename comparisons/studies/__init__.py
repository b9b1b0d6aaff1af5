"""From a project's judgments to figures: what is read, which mathematics looks at it, how it is called."""
