"""The template of generated projects, and the one door to Copier."""
