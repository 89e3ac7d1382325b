"""What studies measure: functions of a trained model, small and pure."""
