"""What may pass between two seconds: the drift masks, the judge that applies them, the ledger of probes."""
