//! start: answers when the processor runs, and says why when it does not.
