"""What is made of a run: tables, charts, pages."""
