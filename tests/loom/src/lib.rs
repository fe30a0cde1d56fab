//! Model checks of the protocol files of the core, see `README.md`. The checks are the test targets `models` and
//! `schedules`; the library holds nothing.
