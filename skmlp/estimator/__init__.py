"""MLPDigitClassifier, and the functions that connect its methods with the engine."""
