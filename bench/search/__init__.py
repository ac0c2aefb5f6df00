"""The search for an adversary that beats the vetting: worlds without bytes, plans, checks, evolution."""
