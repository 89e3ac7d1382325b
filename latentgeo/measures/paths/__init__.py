"""Measures along paths between latents."""
