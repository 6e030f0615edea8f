//! A console socket, and the terminal handed over.
