"""The life of a slot as a state machine: what may happen (`machine`) and what must then be so (`model`)."""
