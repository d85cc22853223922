"""MLPDigitClassifier, and the functions between its methods and the engine."""
