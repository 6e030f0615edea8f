//! What other runtimes of this kind get wrong, and ours does not.
