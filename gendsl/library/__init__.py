"""Tables of records: what the language offers. No tensors here."""
