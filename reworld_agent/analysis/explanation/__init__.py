"""Why did a scene fail? Attributes, class, sentence and counterfactual."""
