"""`reworld pool ...`: pools of hard negatives."""
