"""The ResonTech platform: its REST API, the account's bucket, and the process that carries a run there."""
