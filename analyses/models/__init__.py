"""What studies train: recipes with their options, by name."""
