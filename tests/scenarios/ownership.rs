//! One container runs on a processor at a time, whoever else is on the machine.
