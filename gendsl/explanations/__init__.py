"""The long text of every diagnostic code, by stage: code to title and explanation."""
