"""Is A better than B? Paired differences with intervals."""
