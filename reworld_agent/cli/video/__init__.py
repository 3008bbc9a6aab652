"""`reworld video index|generate|latents|prompts`."""
