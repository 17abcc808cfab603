"""What an avatar knows from files: text, Markdown and PDF to passages that are found by meaning."""
