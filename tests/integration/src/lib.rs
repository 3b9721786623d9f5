//! Live processes over real sockets.
