//! kill and delete: the processor is offline when they answer, or they say what is pending.
